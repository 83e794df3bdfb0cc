"use strict";

/* The list of utterances and its controls. Utterances are added to the page in batches, the next one when the end comes into view. */

const BATCH = 20;

const list = control("list");

/* --- Showing them --- */

/** Apply the current choice and start from the top. */
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
  const next = view.rows.slice(view.shown, view.shown + BATCH);
  list.append(...next.map(card));
  view.shown += next.length;
  control("more").hidden = view.shown >= view.rows.length;
  control("printed").textContent = printedNote();
}

/** What of the list is on paper, where the controls are not: how many, in which order, and the filters that have no chip. */
function printedNote() {
  const [order] = SORTS[control("sort").value];
  const parts = [
    view.shown < view.rows.length ? `the first ${count(view.shown)} are printed` : null,
    view.rows.length > 1 ? `sorted by ${order}, ${isDownward() ? "highest" : "lowest"} first` : null,
    control("kind").value !== "all" ? `only ${KINDS[control("kind").value][0]}` : null,
    control("system").value !== "all" ? `of ${chosenSystems()[0].name}` : null,
    soughtText() ? `with "${soughtText()}"` : null,
  ];
  return capital(parts.filter(Boolean).join("; "));
}

/** One utterance. */
function card(row) {
  const speaker = data.groups.speaker?.values[data.groups.speaker.of[row]];
  const facts = [speaker, ...data.columns.utterances.filter((column) => column.listed && figure(column.key, row) !== null).map((column) => listed(column, figure(column.key, row)))];
  return element("li", { class: `card utterance${isTall(row) ? " tall" : ""}` },
    element("div", { class: "about" },
      audioAddress(row) === null ? null : element("button", { type: "button", class: "play", "aria-label": `Play ${data.ids[row]}`, onclick: (event) => play(event.currentTarget, row) }, "▶"),
      element("a", { class: "path", href: `#${encodeURIComponent(data.ids[row])}`, title: "A link to this utterance" }, data.ids[row]),
      element("span", { class: "muted" }, facts.filter(Boolean).join(" · ")),
      element("span", { class: "results" }, ...systems.map((system, number) => result(system, number, row)))),
    ...alignments(row),
    asWritten(row),
    attention(row));
}

/** Whether an utterance may be broken across pages: it would fill about a third of one. */
function isTall(row) {
  return wordsOf(row).length * (systems.length + 1.5) > 200; // words of the alignment, and a half for the space between its lines
}

function result(system, number, row) {
  const columns = data.columns.results.filter((column) => column.listed && system.figures[column.key]);
  const hasErrors = columns.some((column) => column.format === "count" && resultFigure(system, column.key, row) > 0);
  const figures = () => columns.map((column) => listed(column, resultFigure(system, column.key, row))).join(" · ");
  const text = system.missing.has(row) ? "no hypothesis" : hasErrors ? figures() : "correct";
  return element("span", { class: "name", title: system.name }, systems.length > 1 ? element("i", { class: `dot ${series(number)}` }) : null, text);
}

/** The texts before normalisation, if it changed them. */
function asWritten(row) {
  const texts = [["reference", data.written[row]], ...systems.map((system) => [system.name, system.written[row]])].filter(([, text]) => typeof text === "string");
  if (!texts.length) return null;
  return element("details", { class: "written" }, element("summary", {}, "Original texts"),
    element("dl", {}, ...texts.flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)])));
}

/** The attention plot, if the report has one. */
function attention(row) {
  const source = data.attention[row];
  if (!source) return null;
  const details = element("details", { class: "attention", ontoggle: () => {
      if (details.querySelector("img")) return;
      details.append(element("img", { src: source, alt: `Spectrogram of ${data.ids[row]} with the attention of each word` }));
    } },
    element("summary", {}, "Attention"));
  return details;
}

/** Replace the button by a player and start it; pause all others. The recording is fetched only now. */
function play(button, row) {
  for (const other of document.querySelectorAll("audio")) other.pause();
  const failed = () => player.replaceWith(unreachable("The recording", data.audio.prefix + data.audio.rest[row]));
  const player = element("audio", { controls: true, preload: "none", "aria-label": data.ids[row], onerror: failed });
  player.src = audioAddress(row);
  button.replaceWith(player);
  player.play().catch(() => {}); // the error event reports it
  player.focus();
}

function unreachable(what, path) {
  return element("span", { class: "muted", role: "status", title: path }, `${what} cannot be opened from here.`);
}

/* --- Events --- */

/** Show the utterances with an error picked from the lists. */
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

/** Show the utterance that the address names, if it names one. */
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

/** Remove all filters. */
function clear() {
  leaveSelection();
  for (const select of [control("kind"), ...groupSelects()]) select.value = "all";
  control("search").value = "";
}

/** Drop the picked utterance or error; the address is reset, as it would bring an utterance back on reload. */
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
  if (event.target.id === "search") return; // has its own listener
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
    const what = { s: `\u2068${reference}\u2069 → \u2068${heard}\u2069`, d: `${reference} deleted`, i: `${heard} inserted`, recall: `${reference} missed` }[kind];
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
