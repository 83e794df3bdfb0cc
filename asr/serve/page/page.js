/* The page: choose or record a file, upload it, show the transcript. */

import { send } from "./upload.js";
import { addRecorder } from "./recorder.js";
import { Words } from "./words.js";
import { Pictures } from "./pictures.js";

const at = (id) => document.getElementById(id);
const audio = at("audio");
const words = new Words(at("words"), (word) => playFrom(word));
const pictures = new Pictures(at("pictures"), (word) => playFrom(word), (word) => words.glance(word));

let sending = null; // the upload in progress
let addresses = []; // of blobs, to be revoked

function clock(seconds) {
  const whole = Math.floor(seconds);
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  const pad = (n) => String(n).padStart(2, "0");
  return hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}

function blobAddress(blob) {
  addresses.push(URL.createObjectURL(blob));
  return addresses.at(-1);
}

function reset(file) {
  sending?.stop();
  addresses.forEach((address) => URL.revokeObjectURL(address));
  addresses = [];
  words.clear();
  pictures.clear();
  for (const id of ["error", "key-form", "nothing", "doubt", "no-pictures", "unplayable", "downloads"]) at(id).hidden = true;
  at("legend").hidden = true;
  at("result").hidden = true;
  at("name").textContent = file.name;
  at("announcement").textContent = "";
  audio.src = blobAddress(file);
}

function showStatus(text, share) {
  at("work").hidden = false;
  at("status").textContent = text;
  if (share === null) at("progress").removeAttribute("value");
  else at("progress").value = share;
}

function transcribe(file) {
  reset(file);
  showStatus("Uploading …", 0);
  let duration = null; // according to the player
  audio.onloadedmetadata = () => {
    if (Number.isFinite(audio.duration)) duration = audio.duration;
    else measure();
  };
  audio.onerror = () => { at("unplayable").hidden = false; };
  sending = send(file, sessionKey(), {
    sent: (share) => (share < 1 ? showStatus(`Uploading … ${Math.round(100 * share)} %`, share) : showStatus("Transcribing …", null)),
    progress: ({ read, speech, recognized }) => {
      const share = duration && speech ? Math.min(1, (recognized / speech) * (read / duration)) : null;
      showStatus(`Transcribing … ${clock(read)} read, ${clock(recognized)} of speech recognised`, share);
    },
    segment: (segment) => {
      at("result").hidden = false;
      at("legend").hidden = false;
      if (segment.doubtful) at("doubt").hidden = false;
      words.add(segment);
      if (segment.picture) pictures.add(segment);
      else at("no-pictures").hidden = false;
    },
    done: ({ files }) => {
      at("work").hidden = true;
      at("result").hidden = false;
      at("nothing").hidden = words.count > 0;
      offer(file.name, files);
      at("announcement").textContent = `Done: ${words.count} words.`;
    },
    error: (error) => {
      at("work").hidden = true;
      if (error.code === "invalid_api_key") return askKey(file, error);
      at("error").hidden = false;
      at("error").textContent = error.message;
    },
  });
}

/* A recording made by the browser states no length: seek to its end to find it. */
function measure() {
  const back = () => {
    if (!Number.isFinite(audio.duration)) return;
    audio.removeEventListener("durationchange", back);
    audio.currentTime = 0;
  };
  audio.addEventListener("durationchange", back);
  audio.currentTime = 1e7;
}

function offer(name, files) {
  const types = { txt: "text/plain", srt: "application/x-subrip", vtt: "text/vtt", json: "application/json" };
  const base = name.replace(/\.[^.]+$/, "") || "transcript";
  at("downloads").querySelectorAll("a").forEach((link) => link.remove());
  for (const [form, text] of Object.entries(files)) {
    const link = document.createElement("a");
    link.href = blobAddress(new Blob([text], { type: types[form] }));
    link.download = `${base}.${form}`;
    link.textContent = form;
    link.className = "button";
    link.id = `download-${form}`;
    at("downloads").append(link);
  }
  at("downloads").hidden = false;
}

function playFrom(word) {
  audio.currentTime = word.start;
  follow();
  audio.play().catch(() => { /* not playable: the page shows a note */ });
}

let frame = 0; // of the only animation loop

function follow() {
  cancelAnimationFrame(frame);
  const now = audio.currentTime;
  words.show(now);
  pictures.show(now, words.active);
  if (!audio.paused) frame = requestAnimationFrame(follow);
}

/* ---------------------------------------------------------------- the key, kept while the tab is open */

function sessionKey() {
  try { return sessionStorage.getItem("asr-key"); } catch { return null; }
}

function askKey(file, error) {
  const had = sessionKey();
  at("error").hidden = !had;
  at("error").textContent = error.message;
  at("key-form").hidden = false;
  at("key").focus();
  at("key-form").onsubmit = (event) => {
    event.preventDefault();
    const key = at("key").value.trim();
    if (!/^[\x21-\x7e]+$/.test(key)) { // a header cannot carry others
      at("error").hidden = false;
      at("error").textContent = "The key may contain only ASCII letters, digits and signs, without spaces.";
      return;
    }
    try { sessionStorage.setItem("asr-key", key); } catch { /* the page will ask again */ }
    at("key").value = "";
    transcribe(file);
  };
}

/* ---------------------------------------------------------------- events of the user */

at("file").addEventListener("change", () => {
  if (at("file").files.length) transcribe(at("file").files[0]);
  at("file").value = ""; // so that the same file can be chosen again
});
at("cancel").addEventListener("click", () => {
  sending?.stop();
  at("work").hidden = true;
  at("file").focus();
});
audio.addEventListener("play", follow);
audio.addEventListener("seeked", follow);

const drop = at("drop");
for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());
document.addEventListener("dragenter", () => drop.classList.add("over"));
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
document.addEventListener("drop", (event) => {
  drop.classList.remove("over");
  if (event.dataTransfer.files.length) transcribe(event.dataTransfer.files[0]);
});
document.addEventListener("themechange", () => pictures.draw());
new ResizeObserver(() => pictures.draw()).observe(at("pictures"));
addRecorder(at("record"), at("record-label"), transcribe, (message) => {
  at("error").hidden = false;
  at("error").textContent = message;
});

/* Show the language of the model and the limits of the server before an upload. */
fetch("page/info").then((response) => response.json()).then(({ language, upload_bytes: bytes, audio_seconds: seconds }) => {
  const spoken = language ? `Language: ${language}. ` : "";
  at("limits").textContent = `${spoken}At most ${Math.round(bytes / 2 ** 20)} MiB and ${clock(seconds)} long.`;
}).catch(() => { /* the limits are shown only for information */ });
