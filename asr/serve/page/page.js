/* The page: choose or record a file, upload it, show its transcript. */

import { askKey, sessionKey } from "./key.js";
import { Microphone } from "./microphone.js";
import { Pictures } from "./pictures.js";
import { Transcript, clock } from "./transcript.js";
import { send } from "./upload.js";

const MEBIBYTE = 2 ** 20;
const TYPES = { txt: "text/plain", srt: "application/x-subrip", vtt: "text/vtt", json: "application/json" };
const LAST_SECOND = 1e7; // s, after the end of any recording
const LOADING_INTERVAL = 2000; // ms between requests for the language while the model is loaded
const IN_VAIN = ["invalid_file", "file_too_large", "audio_too_long"]; // errors that the same file would cause again

const at = (id) => document.getElementById(id);
const audio = at("audio");
const transcript = new Transcript(at("segments"), playFrom);
const pictures = new Pictures(at("pictures"), playFrom, (word) => transcript.highlight(word));

const microphone = new Microphone({
  start: () => {
    clear();
    end();
  },
  file: (file) => transcribe({ file, recorded: true }),
  error: showError,
  announce,
});

let upload = null; // in progress
let source = null; // {file, recorded} of the last upload: the page alone has a file that was recorded
let limits = null; // of the server
let addresses = []; // of blobs, revoked with the next file

/* ---------------------------------------------------------------- messages */

/* For screen readers: the visible progress changes too often to be read out. */
function announce(text) {
  at("announcement").textContent = text;
}

/* Show a message of the page or the server as a sentence. The server's begins with the name of the field, and may end with details. */
function showError(message) {
  const text = message.replace(/^file: (?!the )/, "the file ").replace(/^file: /, "").replace(/ \([^()]*\)$/, "");
  at("error").textContent = `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
  at("error").hidden = false;
}

/* `share` is from 0 to 1, or null where it is not known. */
function showProgress(text, share) {
  at("work").hidden = false;
  at("status").textContent = text;
  if (share === null) at("progress").removeAttribute("value");
  else at("progress").value = share;
}

/* Hide the progress. The focus must not stay on a button that has disappeared. */
function hideProgress(next) {
  const hadFocus = at("work").contains(document.activeElement);
  at("work").hidden = true;
  if (hadFocus) next.focus();
}

/* ---------------------------------------------------------------- one recording */

/* Transcribe the file that the user chose or dropped, if any. */
function choose(files) {
  if (!files.length || at("file").disabled) return;
  if (files.length > 1) showError("Only one recording at a time: choose one file.");
  else transcribe({ file: files[0], recorded: false });
}

/* A recording cannot be replaced until it is transcribed, or the user cancels. */
function protect(recording) {
  at("file").disabled = recording;
  microphone.enable(!recording);
}

function transcribe(chosen) {
  clear();
  end();
  source = chosen;
  const { file, recorded } = source;
  const problem = sizeProblem(file);
  if (problem) return refuse({ message: problem, code: "file_too_large" });
  protect(recorded);
  at("live").hidden = !recorded; // until the final text arrives
  openPlayer(file);
  announce("Uploading.");
  showProgress("Uploading …", 0);
  upload = send(file, sessionKey(), {
    sent: showUpload,
    progress: showRecognition,
    segment: addSegment,
    done: finish,
    error: fail,
  });
  const focused = document.activeElement;
  if (focused.disabled || !focused.checkVisibility()) at("cancel").focus(); // the pressed button has disappeared
}

function clear() {
  addresses.forEach((address) => URL.revokeObjectURL(address));
  addresses = [];
  transcript.clear();
  pictures.clear();
  at("downloads").replaceChildren();
  const hidden = [
    "error", "again", "key-form", "live", "result", "nothing", "notes", "legend", "weak", "attention", "no-pictures", "unplayable", "downloads",
  ];
  for (const id of hidden) at(id).hidden = true;
  announce("");
}

function sizeProblem(file) {
  if (!file.size) return "The file is empty: choose another one.";
  if (!limits || file.size <= limits.upload_bytes) return null;
  const [size, most] = [Math.ceil(file.size / MEBIBYTE), Math.floor(limits.upload_bytes / MEBIBYTE)];
  return `The file has ${size} MiB, and this server accepts ${most}: send it in parts.`;
}

function showUpload(share) {
  if (share < 1) return showProgress(`Uploading … ${Math.round(100 * share)} %`, share);
  announce("Transcribing.");
  return showProgress("Transcribing …", null);
}

function showRecognition({ read, speech, recognized }) {
  const known = Number.isFinite(audio.duration) && audio.duration > 0 && speech > 0;
  const share = known ? Math.min(1, (recognized / speech) * (read / audio.duration)) : null;
  showProgress(`Transcribing … ${clock(read)} read, ${clock(recognized)} of speech recognised`, share);
}

function addSegment(segment) {
  at("live").hidden = true; // this text replaces it
  for (const id of ["result", "legend"]) at(id).hidden = false;
  if (segment.doubtful) at("weak").hidden = false;
  transcript.add(segment);
  if (segment.picture) {
    at("attention").hidden = false;
    pictures.add(segment);
  } else at("no-pictures").hidden = false;
}

function finish({ files, notes }) {
  upload = null;
  source.recorded = false; // the transcript is complete: the recording may be replaced
  protect(false);
  at("live").hidden = true;
  at("result").hidden = false;
  at("nothing").hidden = transcript.wordCount > 0;
  at("notes").hidden = !notes.length;
  at("notes").textContent = `Note: ${notes.join("; ")}.`;
  offerDownloads(source.file.name, files);
  hideProgress(at("name"));
  announce(`Done: ${transcript.wordCount} words. ${notes.length ? at("notes").textContent : ""}`.trim());
}

function fail(error) {
  end();
  if (error.code !== "invalid_api_key") return refuse(error);
  if (sessionKey()) showError(error.message);
  return askKey(showError, () => transcribe(source));
}

/* End without a transcript. */
function end() {
  upload?.stop();
  upload = null;
  protect(false);
  hideProgress(at("file"));
}

function refuse(error) {
  offerAgain(!IN_VAIN.includes(error.code));
  showError(error.message);
}

function cancel() {
  end();
  offerAgain(true);
  announce("Cancelled.");
}

/* Offer another attempt, and a recording of the microphone as a file. */
function offerAgain(retry) {
  at("live-note").textContent = "";
  at("again").hidden = !(retry || source.recorded);
  at("retry").hidden = !retry;
  at("save").hidden = !source.recorded;
  if (!source.recorded) return;
  at("save").href = blobAddress(source.file);
  at("save").download = source.file.name;
}

/* ---------------------------------------------------------------- the transcript as a file */

function blobAddress(blob) {
  addresses.push(URL.createObjectURL(blob));
  return addresses.at(-1);
}

function offerDownloads(name, files) {
  const base = name.replace(/\.[^.]+$/, "") || "transcript";
  const links = Object.entries(files).map(([form, text]) => {
    const link = document.createElement("a");
    link.href = blobAddress(new Blob([text], { type: TYPES[form] }));
    link.download = `${base}.${form}`;
    link.textContent = form;
    link.className = "button";
    link.id = `download-${form}`;
    link.setAttribute("aria-label", `Download as ${form}`);
    return link;
  });
  at("downloads").replaceChildren(...links);
  at("downloads").hidden = false;
}

async function copy() {
  const button = at("copy");
  const copied = await copyText(transcript.text);
  button.textContent = copied ? "Copied" : "Not copied";
  announce(copied ? "The transcript was copied." : "The browser did not allow to copy: download the transcript instead.");
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

/* The clipboard API exists at https:// and on localhost only; the older command works elsewhere, too. */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.className = "hidden";
    field.value = text;
    at("result").append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    at("copy").focus();
    return copied;
  }
}

/* ---------------------------------------------------------------- the player */

function openPlayer(file) {
  at("name").textContent = file.name;
  audio.src = blobAddress(file);
}

/* A file that MediaRecorder made does not state its length: seek to its end to find it. */
function findDuration() {
  if (Number.isFinite(audio.duration)) return;
  const back = () => {
    if (!Number.isFinite(audio.duration)) return;
    audio.removeEventListener("durationchange", back);
    audio.currentTime = 0;
  };
  audio.addEventListener("durationchange", back);
  audio.currentTime = LAST_SECOND;
}

function playFrom(seconds) {
  audio.currentTime = seconds;
  follow();
  audio.play().catch(() => { /* not playable: the page shows a note */ });
}

let frame = 0; // of the only animation loop

function follow() {
  cancelAnimationFrame(frame);
  transcript.show(audio.currentTime);
  pictures.show(audio.currentTime, transcript.playing);
  if (!audio.paused) frame = requestAnimationFrame(follow);
}

/* ---------------------------------------------------------------- limits and events of the user */

/* 7200 as "2 hours", 90 as "1.5 minutes". */
function inWords(seconds) {
  const [unit, size] = seconds >= 3600 ? ["hour", 3600] : seconds >= 60 ? ["minute", 60] : ["second", 1];
  return new Intl.NumberFormat("en", { style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 1 }).format(seconds / size);
}

/* Show the language of the model and the limits of the server before an upload. */
async function showLimits() {
  limits = await (await fetch("page/info")).json();
  const language = limits.language ? `Language: ${limits.language}. ` : "";
  if (!limits.language) setTimeout(() => showLimits().catch(() => { /* as below */ }), LOADING_INTERVAL);
  at("limits").textContent = `${language}At most ${Math.floor(limits.upload_bytes / MEBIBYTE)} MiB and ${inWords(limits.audio_seconds)}.`;
}

function listenForDrops() {
  const drop = at("drop");
  for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());
  document.addEventListener("dragenter", () => drop.classList.add("over"));
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
  document.addEventListener("drop", (event) => {
    drop.classList.remove("over");
    choose(event.dataTransfer.files);
  });
}

at("file").addEventListener("change", () => {
  choose(at("file").files);
  at("file").value = ""; // so that the same file can be chosen again
});
at("cancel").addEventListener("click", cancel);
at("retry").addEventListener("click", () => transcribe(source));
at("copy").addEventListener("click", copy);
audio.addEventListener("loadedmetadata", findDuration);
audio.addEventListener("error", () => { at("unplayable").hidden = false; });
audio.addEventListener("play", follow);
audio.addEventListener("seeked", follow);
document.addEventListener("themechange", () => pictures.draw());
new ResizeObserver(() => pictures.draw()).observe(at("pictures"));
window.addEventListener("beforeunload", (event) => { if (microphone.recorder || source?.recorded) event.preventDefault(); });
listenForDrops();
showLimits().catch(() => { /* they are shown for information only: the server checks them */ });
