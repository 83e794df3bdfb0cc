/* Text while the microphone records.
 *
 * Every few seconds the end of the recording is sent as a WAV file: all that was said since the last final segment. A segment is final once a
 * pause or another segment follows it. So requests stay short, however long the recording is, and no word is cut. */

const INTERVAL = 2000; // ms between the answer to a request and the next request
const LEAST_SECONDS = 1; // of sound in a request
const RATE = 16000; // Hz, that of the model
const PAUSE = 0.5; // s of quiet after a final segment, beyond the quiet inside it
const OVERLAP = 1; // s kept of a stretch without speech: a word may be beginning

export class LiveText {
  /* `handlers`: `show` is called with the final text since the last call, and the draft of the text that follows; `status` with the HTTP status
   * of each response, or 0 without one. */
  constructor(key, handlers) {
    this.key = key;
    this.handlers = handlers;
    this.blocks = []; // samples that are not final
    this.aborter = new AbortController();
  }

  async start(stream) {
    const source = openSource(stream);
    this.context = source.context;
    await this.context.audioWorklet.addModule("static/capture.js");
    const capture = new AudioWorkletNode(this.context, "capture", { numberOfOutputs: 0 });
    capture.port.onmessage = ({ data }) => this.blocks.push(data);
    source.connect(capture);
    this.#repeat();
  }

  stop() {
    this.aborter.abort();
    this.context?.close();
  }

  async #repeat() {
    while (!this.aborter.signal.aborted) {
      await new Promise((resolve) => { setTimeout(resolve, INTERVAL); });
      await this.#recognize().catch(() => this.#report(0)); // the next request includes the same sound
    }
  }

  async #recognize() {
    const samples = join(this.blocks);
    if (samples.length < LEAST_SECONDS * this.context.sampleRate || this.aborter.signal.aborted) return;
    this.blocks = [samples];
    const form = new FormData();
    form.append("response_format", "verbose_json");
    form.append("file", waveFile(samples, this.context.sampleRate), "live.wav");
    const headers = this.key ? { Authorization: `Bearer ${this.key}` } : {};
    const response = await fetch("v1/audio/transcriptions", { method: "POST", body: form, headers, signal: this.aborter.signal });
    if (response.ok) this.#take(await response.json());
    this.#report(response.status);
    if (response.status === 401) this.stop(); // the page asks for the key after the recording
  }

  #report(status) {
    if (!this.aborter.signal.aborted) this.handlers.status(status);
  }

  #take({ duration, segments }) {
    const last = segments.at(-1);
    const isOpen = last !== undefined && duration - last.end < PAUSE;
    const final = isOpen ? segments.slice(0, -1) : segments;
    const draft = isOpen ? last.text.trim() : "";
    this.#forget(isOpen ? last.start : Math.max(last?.end ?? 0, duration - OVERLAP));
    this.handlers.show(final.map(({ text }) => text.trim()).join(" "), draft);
  }

  #forget(seconds) {
    const samples = join(this.blocks);
    this.blocks = [samples.slice(Math.round(seconds * this.context.sampleRate))];
  }
}

/* Not every browser resamples a microphone: then the server does. */
function openSource(stream) {
  const context = new AudioContext({ sampleRate: RATE });
  try {
    return context.createMediaStreamSource(stream);
  } catch {
    context.close();
    return new AudioContext().createMediaStreamSource(stream);
  }
}

function join(blocks) {
  const joined = new Float32Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let at = 0;
  for (const block of blocks) {
    joined.set(block, at);
    at += block.length;
  }
  return joined;
}

/* A WAV file of 16-bit samples in one channel. */
function waveFile(samples, rate) {
  const bytes = 2 * samples.length;
  const view = new DataView(new ArrayBuffer(44 + bytes));
  const put = (at, text) => [...text].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  put(0, "RIFF");
  view.setUint32(4, 36 + bytes, true);
  put(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // bytes of the format
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true); // bytes/s
  view.setUint16(32, 2, true); // bytes per frame
  view.setUint16(34, 16, true); // bits per sample
  put(36, "data");
  view.setUint32(40, bytes, true);
  samples.forEach((sample, i) => view.setInt16(44 + 2 * i, Math.round(32767 * Math.max(-1, Math.min(1, sample))), true));
  return new Blob([view], { type: "audio/wav" });
}
