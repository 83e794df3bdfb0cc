"use strict";

/* The list of utterances, and what the reader does with it. Only what is near the reader's eyes is in the page: a first stretch,
 * and the next one each time that the end comes into view. */

const STRETCH = 20;

const list = control("list");

/* --- Showing them --- */

/** Choose anew and start from the top. */
function refresh() {
  view.rows = chosenRows();
  view.shown = 0;
  list.replaceChildren();
  showMore();
  control("count").textContent =
    view.rows.length === utteranceCount ? count(utteranceCount, "utterance") : `${count(view.rows.length)} of ${count(utteranceCount, "utterance")}`;
  control("none").hidden = view.rows.length > 0;
  control("reset").hidden = view.rows.length === utteranceCount && !view.word;
  const chips = [
    view.only !== null ? data.ids[view.only] : null,
    view.word?.label,
    ...groupsInUse().map((select) => `${select.dataset.group}: ${select.selectedOptions[0].textContent}`),
  ].filter(Boolean);
  control("chips").replaceChildren(...chips.map((chip) => element("span", { class: "chip" }, chip)));
}

function showMore() {
  const next = view.rows.slice(view.shown, view.shown + STRETCH);
  list.append(...next.map(card));
  view.shown += next.length;
  control("more").hidden = view.shown >= view.rows.length;
}

/** One utterance. */
function card(row) {
  const speaker = data.groups.speaker?.values[data.groups.speaker.of[row]];
  const seconds = data.durations[row];
  const facts = [speaker, seconds === null ? null : `${seconds.toFixed(1)}\u00a0s`];
  return element("li", { class: "card utterance" },
    element("div", { class: "about" },
      audioAddress(row) === null ? null : element("button", { type: "button", class: "play", "aria-label": `Play ${data.ids[row]}`, onclick: (event) => play(event.currentTarget, row) }, "▶"),
      element("a", { class: "path", href: `#${encodeURIComponent(data.ids[row])}`, title: "A link to this utterance" }, data.ids[row]),
      element("span", { class: "muted" }, facts.filter(Boolean).join(" · ")),
      element("span", { class: "results" }, ...systems.map((system, number) => result(system, number, row)))),
    ...alignments(row),
    asWritten(row),
    attention(row));
}

function result(system, number, row) {
  const text = system.missing.has(row) ? "no hypothesis" : system.errors[row] === 0 ? "right" : `${count(system.errors[row], "error")} · ${percent(system.rates[row], 0)}`;
  return element("span", { class: "name", title: system.name }, systems.length > 1 ? element("i", { class: `dot ${series(number)}` }) : null, text);
}

/** The texts before normalisation, where that changed them. */
function asWritten(row) {
  const texts = [["reference", data.written[row]], ...systems.map((system) => [system.name, system.written[row]])].filter(([, text]) => typeof text === "string");
  if (!texts.length) return null;
  return element("details", { class: "written" }, element("summary", {}, "As written"),
    element("dl", {}, ...texts.flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)])));
}

/** Where the model looked while it wrote, if the report has the picture. */
function attention(row) {
  const source = data.attention[row];
  if (!source) return null;
  const details = element("details", { class: "attention", ontoggle: () => {
      if (details.querySelector("img")) return;
      details.append(element("img", { src: source, alt: `Spectrogram of ${data.ids[row]}, and where the model looked while it wrote` }));
    } },
    element("summary", {}, "Where the model looked"));
  return details;
}

/** Put a player in the place of the button; the recording is fetched only now, and any other one falls silent. */
function play(button, row) {
  for (const other of document.querySelectorAll("audio")) other.pause();
  const failed = () => player.replaceWith(unreachable("The recording", data.audio.prefix + data.audio.rest[row]));
  const player = element("audio", { controls: true, preload: "none", "aria-label": data.ids[row], onerror: failed });
  player.src = audioAddress(row);
  button.replaceWith(player);
  player.play().catch(() => {}); // the error event says what there is to say
  player.focus();
}

function unreachable(what, path) {
  return element("span", { class: "muted", role: "status", title: path }, `${what} cannot be opened from here.`);
}

/* --- What the reader does --- */

/** Show the utterances that hold an error picked from the lists. */
function filterByWord(word) {
  clear();
  view.word = word;
  reveal();
}

/** Show the utterances of one group, picked from a plot. */
function filterByGroup(key, value) {
  const select = groupSelects().find((other) => other.dataset.group === key);
  if (!select) return;
  clear();
  select.value = String(data.groups[key].values.indexOf(value));
  reveal();
}

/** Show the one utterance that the address names, if it names one. */
function followAddress() {
  let id;
  try {
    id = decodeURIComponent(location.hash.slice(1));
  } catch {
    return; // not an address that this page made
  }
  const row = id ? data.ids.indexOf(id) : -1;
  if (row < 0) return;
  clear();
  view.only = row;
  reveal();
}

function reveal() {
  refresh();
  control("utterances").scrollIntoView();
}

/** No filter at all. */
function clear() {
  leaveSelection();
  for (const select of [control("kind"), ...groupSelects()]) select.value = "all";
  control("search").value = "";
}

/** Forget the one utterance or error that was picked; an address that names an utterance would bring it back on reload. */
function leaveSelection() {
  if (view.only !== null) history.replaceState(null, "", "#utterances");
  view.only = view.word = null;
}

fillControls();
control("filters").open = window.matchMedia("(min-width: 50rem)").matches; // on a phone they would fill the screen
let typing = 0;
control("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => { if (view.only !== null) leaveSelection(); refresh(); }, 60);
});
control("controls").addEventListener("change", (event) => {
  if (event.target.id === "search") return; // has its own
  if (event.target.id === "sort") setDirection(!UPWARD.includes(event.target.value));
  if (view.only !== null) leaveSelection();
  refresh();
});
control("controls").addEventListener("submit", (event) => event.preventDefault());
control("direction").addEventListener("click", () => { setDirection(!isDownward()); refresh(); });
control("reset").addEventListener("click", () => { clear(); refresh(); control("search").focus(); });
control("more").addEventListener("click", showMore);
new IntersectionObserver((entries) => { if (entries.some((entry) => entry.isIntersecting)) showMore(); }, { rootMargin: "600px" }).observe(control("more"));
window.addEventListener("hashchange", followAddress);
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  event.preventDefault(); // "/" goes to the search
  control("search").focus();
});

/* The lists of errors. */
document.addEventListener("click", (event) => {
  const found = event.target.closest(".find");
  if (found) {
    const { system, kind, reference, heard } = found.dataset;
    const what = { s: `${reference} → ${heard}`, d: `${reference} left out`, i: `${heard} put in`, recall: `${reference} missed` }[kind];
    filterByWord({ system: Number(system), kind, reference, heard, label: `${systems[system].name}: ${what}` });
  }
  const whole = event.target.closest(".show-all");
  if (whole) {
    whole.closest(".list").classList.add("open");
    whole.remove();
  }
});

const panels = [...document.querySelectorAll(".panel")];
const tabs = [...document.querySelectorAll(".tabs button")];
function showPanel(number) {
  for (const panel of panels) panel.hidden = panel.dataset.panel !== number;
  for (const tab of tabs) tab.setAttribute("aria-pressed", String(tab.dataset.panel === number));
}
for (const tab of tabs) tab.addEventListener("click", () => showPanel(tab.dataset.panel));
if (tabs.length) showPanel("0");

refresh();
followAddress();
(window.requestIdleCallback ?? setTimeout)(searchable);
