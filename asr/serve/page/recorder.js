/* The microphone, as a file. */

export function addRecorder(button, label, take, complain) {
  let recorder = null;
  let ticking = null;

  if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) {
    button.disabled = true;
    button.title = "Browsers lend the microphone to https:// and to localhost only";
    return;
  }

  async function start() {
    let stream;
    button.disabled = true; // until there is an answer: a second click would leave a second microphone on
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch (error) {
      complain(error.name === "NotAllowedError" ? "The microphone is not allowed for this page: allow it beside the address." : `There is no microphone: ${error.message}`);
      return;
    } finally {
      button.disabled = false;
    }
    const parts = [];
    recorder = new MediaRecorder(stream);
    recorder.ondataavailable = (event) => parts.push(event.data);
    recorder.onstop = () => {
      stream.getTracks().forEach((track) => track.stop());
      const type = recorder.mimeType.split(";")[0];
      recorder = null;
      show();
      take(new File(parts, `recording.${type.split("/")[1] || "webm"}`, { type }));
    };
    recorder.start();
    show();
  }

  function show() {
    clearInterval(ticking);
    const began = Date.now();
    const tick = () => { label.textContent = `Stop (${Math.floor((Date.now() - began) / 1000)} s)`; };
    button.classList.toggle("recording", recorder !== null);
    if (recorder) {
      tick();
      ticking = setInterval(tick, 250);
    } else label.textContent = "Record";
  }

  button.addEventListener("click", () => (recorder ? recorder.stop() : start()));
}
