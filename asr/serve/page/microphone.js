/* The button "Record": records the microphone to a file, and shows the text while the recording goes on. */

import { sessionKey } from "./key.js";
import { LiveText } from "./live.js";
import { clock } from "./transcript.js";

const BITS_PER_SECOND = 64000; // Opus needs no more for speech; an hour has 29 MB
const SPEAK = "Speak: the text appears every few seconds. The recording is transcribed as a whole when you stop.";
const STOPPED = "The text of the whole recording replaces this text.";
const NO_LIVE_TEXT = "This browser cannot send parts of a recording: the text appears when you stop.";
const NO_KEY = "The server asks for its API key when you stop: the text appears then.";
const NO_ANSWER = "The server is busy or cannot be reached. The recording goes on, and the text follows.";

const at = (id) => document.getElementById(id);

export class Microphone {
  /* `handlers`: `start` is called before a recording, `file` with the recorded file, `error` and `announce` with a sentence. */
  constructor(handlers) {
    this.handlers = handlers;
    this.recorder = null; // while it records
    const problem = unsupported();
    showProblem(problem);
    this.supported = problem === null;
    this.enable(true);
    at("record").addEventListener("click", () => (this.recorder ? this.recorder.stop() : this.#start()));
    if (!problem) watchPermission((state) => showProblem(state === "denied" ? explain({ name: "NotAllowedError" }) : null));
  }

  /* Let the user record, if the browser can. */
  enable(enabled) {
    at("record").disabled = !(enabled && this.supported);
  }

  async #start() {
    this.enable(false); // until the user answers: a second click would open a second stream
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
      this.handlers.start();
      this.#record(stream);
    } catch (error) {
      this.handlers.error(explain(error));
    } finally {
      this.enable(true);
    }
  }

  /* Record until the button is pressed again, or until the microphone is removed. */
  #record(stream) {
    const parts = [];
    this.recorder = new MediaRecorder(stream, { audioBitsPerSecond: BITS_PER_SECOND });
    this.recorder.ondataavailable = (event) => parts.push(event.data);
    this.recorder.onstop = () => {
      stream.getTracks().forEach((track) => track.stop());
      this.#finish(parts);
    };
    this.recorder.start();
    this.#show();
    this.live = new LiveText(sessionKey(), { show: showText, status: (status) => this.#note(noteOf(status)) });
    this.live.start(stream).catch(() => this.#note(NO_LIVE_TEXT));
  }

  /* Show a sentence on the text of the recording. It is announced if it is new. */
  #note(text) {
    if (at("live-note").textContent !== text) this.handlers.announce(text);
    at("live-note").textContent = text;
  }

  #show() {
    const began = Date.now();
    const showTime = () => { at("record-label").textContent = `Stop (${clock((Date.now() - began) / 1000)})`; };
    showTime();
    this.timer = setInterval(showTime, 250);
    at("record").classList.add("recording");
    at("file").disabled = true;
    at("spoken").textContent = at("draft").textContent = "";
    at("live-note").textContent = SPEAK;
    at("live").hidden = false;
    this.handlers.announce("Recording.");
  }

  #finish(parts) {
    this.live.stop();
    at("live-note").textContent = STOPPED;
    clearInterval(this.timer);
    at("record").classList.remove("recording");
    at("record-label").textContent = "Record";
    at("file").disabled = false;
    const type = this.recorder.mimeType.split(";")[0];
    this.recorder = null;
    this.handlers.file(new File(parts, `recording.${type.split("/")[1] || "webm"}`, { type }));
  }
}

/* A sentence on the response with an HTTP status, 0 for none. */
function noteOf(status) {
  if (status === 200) return SPEAK;
  return status === 401 ? NO_KEY : NO_ANSWER;
}

/* Add final text, and replace the draft of the text after it. */
function showText(final, draft) {
  if (final) at("spoken").append(at("spoken").textContent ? ` ${final}` : final);
  at("draft").textContent = draft;
}

function showProblem(problem) {
  at("microphone").textContent = problem;
  at("microphone").hidden = problem === null;
}

/* Why this browser cannot record, in one sentence; null if it can. */
function unsupported() {
  if (!window.isSecureContext) return "The microphone needs a page at https:// or on localhost.";
  if (!navigator.mediaDevices?.getUserMedia) return "This browser gives pages no access to a microphone.";
  if (!window.MediaRecorder) return "This browser cannot record: it has no MediaRecorder.";
  return null;
}

/* Why the microphone could not be opened, in one sentence. */
function explain(error) {
  const sentences = {
    NotAllowedError: "The microphone is blocked for this page: allow it in the settings of the browser.",
    NotFoundError: "No microphone was found: connect one, then try again.",
    NotReadableError: "The microphone is in use by another program: close it, then try again.",
  };
  return sentences[error.name] ?? `The microphone cannot be used: ${error.message || error.name}.`;
}

/* Call `report` with "granted", "denied" or "prompt", now and after each change. Not every browser knows it in advance. */
async function watchPermission(report) {
  try {
    const permission = await navigator.permissions.query({ name: "microphone" });
    report(permission.state);
    permission.addEventListener("change", () => report(permission.state));
  } catch { /* it shows when the microphone is opened */ }
}
