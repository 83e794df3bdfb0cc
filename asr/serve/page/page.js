/* A recording's way over the page: chosen or recorded, sent, heard, shown. */

import { send } from "./upload.js";
import { addRecorder } from "./recorder.js";
import { Words } from "./words.js";
import { Pictures } from "./pictures.js";

const at = (id) => document.getElementById(id);
const audio = at("audio");
const words = new Words(at("words"), (word) => hear(word));
const pictures = new Pictures(at("pictures"), (word) => hear(word), (word) => words.glance(word));

let sending = null; // what is under way: it can be stopped
let addresses = []; // of blobs, to be let go

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

function say(text, share) {
  at("work").hidden = false;
  at("status").textContent = text;
  if (share === null) at("progress").removeAttribute("value");
  else at("progress").value = share;
}

function take(file) {
  reset(file);
  say("Sending …", 0);
  let duration = null; // as the player knows it; the server counts anew
  audio.onloadedmetadata = () => {
    if (Number.isFinite(audio.duration)) duration = audio.duration;
    else measure();
  };
  audio.onerror = () => { at("unplayable").hidden = false; };
  sending = send(file, sessionKey(), {
    sent: (share) => (share < 1 ? say(`Sending … ${Math.round(100 * share)} %`, share) : say("Listening …", null)),
    progress: ({ read, speech, recognized }) => {
      const share = duration && speech ? Math.min(1, (recognized / speech) * (read / duration)) : null;
      say(`Listening … ${clock(read)} read, ${clock(recognized)} of speech understood`, share);
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

/* A recording by the browser states no length: it is found by going to its end. */
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

function hear(word) {
  audio.currentTime = word.start;
  follow();
  audio.play().catch(() => { /* not playable: the page says so already */ });
}

let frame = 0; // one chain of frames, however often it is begun

function follow() {
  cancelAnimationFrame(frame);
  const now = audio.currentTime;
  words.show(now);
  pictures.show(now, words.active);
  if (!audio.paused) frame = requestAnimationFrame(follow);
}

/* ---------------------------------------------------------------- the key, for as long as the tab is open */

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
    if (!/^[\x21-\x7e]+$/.test(key)) { // others cannot be sent in a header
      at("error").hidden = false;
      at("error").textContent = "A key has letters, digits and signs of ASCII alone, without spaces.";
      return;
    }
    try { sessionStorage.setItem("asr-key", key); } catch { /* then it is asked again */ }
    at("key").value = "";
    take(file);
  };
}

/* ---------------------------------------------------------------- what the reader does */

at("file").addEventListener("change", () => {
  if (at("file").files.length) take(at("file").files[0]);
  at("file").value = ""; // the same file may be chosen again
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
  if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
});
document.addEventListener("themechange", () => pictures.draw());
new ResizeObserver(() => pictures.draw()).observe(at("pictures"));
addRecorder(at("record"), at("record-label"), take, (message) => {
  at("error").hidden = false;
  at("error").textContent = message;
});
