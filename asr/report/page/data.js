"use strict";

/* The data of the page and the functions that all scripts share. packing.py packs the data.
 *
 * No script sets HTML: texts become text nodes, addresses go through encodeURIComponent. */

const data = JSON.parse(document.getElementById("data").textContent);
const systems = data.systems;
const utteranceCount = data.ids.length;
for (const system of systems) system.missing = new Set(system.missing);

/* --- Reading the columns --- */

/** A figure of an utterance; null if it is unknown. */
function figure(key, row) {
  return data.figures[key]?.[row] ?? null;
}

/** A figure of a system's result on an utterance. */
function resultFigure(system, key, row) {
  return system.figures[key]?.[row] ?? null;
}

/** The words of the normalised reference. */
function wordsOf(row) {
  return data.words[row] ? data.words[row].split(" ") : [];
}

/** The alignment of one system's hypothesis: columns [kind, reference word, hypothesis word], kind one of "=", "s", "d", "i". */
function alignmentOf(system, row) {
  const packed = system.alignments[row];
  if (typeof packed !== "string") return packed;
  if (packed === "") return [];
  const words = wordsOf(row);
  const columns = [];
  let next = 0;
  for (const part of packed.split(" ")) {
    const heard = part.slice(1);
    if (part[0] === "~") columns.push(["s", words[next++], heard]);
    else if (part[0] === "-") columns.push(["d", words[next++], heard]);
    else if (part[0] === "+") columns.push(["i", "", heard]);
    else for (let n = Number(part); n > 0; n--, next++) columns.push(["=", words[next], words[next]]);
  }
  return columns;
}

/** Whether the alignment has an error of this kind ("s", "d", "i"); does not unpack it. */
function hasKind(system, row, kind) {
  const packed = system.alignments[row];
  if (typeof packed !== "string") return packed.some((column) => column[0] === kind);
  const mark = { s: "~", d: "-", i: "+" }[kind];
  return packed.startsWith(mark) || packed.includes(` ${mark}`);
}

/** The normalised hypothesis. */
function heardText(system, row) {
  return alignmentOf(system, row).filter((column) => column[0] !== "d").map((column) => column[2]).join(" ");
}

/** The address of a recording, with the utterance's part of it as a fragment; null if there is none. Whatever the path holds, the
 * address stays a path: it cannot name another site or a script. */
function audioAddress(row) {
  const rest = data.audio.rest[row];
  if (rest === null || rest === undefined) return null;
  const [begin, seconds] = [figure("offset", row) ?? 0, figure("duration", row)];
  const part = begin ? `#t=${begin}${seconds === null ? "" : `,${(begin + seconds).toFixed(3)}`}` : "";
  return fileAddress(data.audio.prefix + rest) + part;
}

function fileAddress(path) {
  if (path.startsWith("file:///")) return path;
  const slashed = /^[A-Za-z]:[\\/]/.test(path) ? `/${path.replaceAll("\\", "/")}` : path; // Windows' C:\ becomes /C:/
  const parts = slashed.split("/").map((part) => (/^[A-Za-z]:$/.test(part) ? part : encodeURIComponent(part)));
  return parts.join("/").replace(/^\/+/, location.protocol === "file:" ? "file:///" : "/");
}

/* --- Making elements --- */

/** An HTML element. Strings among the children become text, null is skipped; "onclick" and the like take functions. */
function element(tag, attributes, ...children) {
  return complete(document.createElement(tag), attributes, children);
}

/** The same in SVG. */
function shape(tag, attributes, ...children) {
  return complete(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function complete(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/* --- Formatting numbers --- */

/** A figure in a column's format. */
function formatted(value, format) {
  if (value === null) return "–";
  return { rate: () => percent(value, 0), count: () => count(value), seconds: () => `${value.toFixed(1)}\u00a0s` }[format]();
}

/** A figure as the list of utterances shows it: "2 errors". */
function listed(column, value) {
  const text = column.listed.replace("{}", formatted(value, column.format)).replace("{s}", value === 1 ? "" : "s");
  return text.replaceAll(" ", "\u00a0");
}

function percent(rate, digits = 1) {
  return rate === null || rate === undefined ? "–" : `${(100 * rate).toFixed(digits)}\u00a0%`;
}

const grouped = new Intl.NumberFormat("en");
function count(number, one) {
  return one === undefined ? grouped.format(number) : `${grouped.format(number)}\u00a0${one}${number === 1 ? "" : "s"}`;
}

/** The class for the colour of a system. */
function series(number) {
  return `series-${number % 6}`;
}
