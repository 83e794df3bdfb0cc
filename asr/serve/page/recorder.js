/* Record the microphone to a file. */

export function addRecorder(button, label, onFile, onError) {
  let recorder = null;
  let ticking = null;

  if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) {
    button.disabled = true;
    button.title = "Browsers allow the microphone on https:// and on localhost only";
    return;
  }

  async function start() {
    let stream;
    button.disabled = true; // until the user answers: a second click would open a second stream
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch (error) {
      onError(error.name === "NotAllowedError" ? "The microphone is not allowed for this page: allow it beside the address." : `There is no microphone: ${error.message}`);
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
      onFile(new File(parts, `recording.${type.split("/")[1] || "webm"}`, { type }));
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
