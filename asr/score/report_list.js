"use strict";

/* The list of utterances: which of them, in which order, and how each looks. Only what is near the reader's eyes is in the page:
 * a first stretch, and the next one each time that the end comes into view. */

const STRETCH = 40;

const control = (id) => document.getElementById(id);
const list = control("list");

/** What is shown. `only` is one row (a link to an utterance), `word` an error picked from the lists. */
const view = { rows: [], shown: 0, only: null, word: null };

/* --- What can be chosen --- */

/** Sort keys: label, and a number (or null: always last) for a row. Errors count for the chosen system, or for all together. */
const SORTS = {
  errors: ["errors", (row) => sum(chosenSystems().map((system) => system.errors[row]))],
  rate: ["error rate", (row) => mean(chosenSystems().map((system) => system.rates[row]))],
  ...(systems.length > 1 && { differ: ["how much systems differ", (row) => spread(systems.map((system) => system.errors[row]))] }),
  words: ["words", (row) => (systems.length ? systems[0].lengths[row] : null)],
  duration: ["duration", (row) => data.durations[row]],
  id: ["id", (row) => idRanks()[row]],
  file: ["order in the file", (row) => row],
};

/** Filters by error: label, and whether a system's result is meant. */
const KINDS = {
  all: ["any", () => true],
  wrong: ["with errors", (system, row) => system.errors[row] > 0],
  s: ["with substitutions", (system, row) => hasKind(system, row, "s")],
  d: ["with deletions", (system, row) => hasKind(system, row, "d")],
  i: ["with insertions", (system, row) => hasKind(system, row, "i")],
  right: ["without errors", (system, row) => system.errors[row] === 0 && !system.missing.has(row)],
  missing: ["without a hypothesis", (system, row) => system.missing.has(row)],
};

const UPWARD = ["id", "file"]; // these start at their low end

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
const mean = (numbers) => {
  const known = numbers.filter((number) => number !== null);
  return known.length ? sum(known) / known.length : null;
};
const spread = (numbers) => Math.max(...numbers) - Math.min(...numbers);

function chosenSystems() {
  const value = control("system").value;
  return value === "all" ? systems : [systems[Number(value)]];
}

function fillControls() {
  const option = (value, label) => element("option", { value }, label);
  control("system").append(option("all", "all"), ...systems.map((system, number) => option(number, system.name)));
  control("kind").append(...Object.entries(KINDS).map(([value, [label]]) => option(value, label)));
  control("sort").append(...Object.entries(SORTS).map(([value, [label]]) => option(value, label)));
  for (const [key, column] of Object.entries(data.groups)) {
    if (column.values.length < 2) continue;
    const choices = column.values.map((value, number) => option(number, value));
    control("controls").append(element("label", {}, `${capital(key)} `, element("select", { "data-group": key }, option("all", "all"), ...choices)));
  }
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/* --- Choosing rows --- */

/** What a search looks through: id, texts as compared and as written, in lower case. Made on the first search, or before, when idle. */
let haystacks = null;
function searchable() {
  haystacks ??= data.ids.map((id, row) => {
    const parts = [id, data.words[row] ?? "", data.written[row] ?? ""];
    for (const system of systems) {
      if (system.errors[row] > 0) parts.push(heardText(system, row)); // without errors it equals the reference
      parts.push(system.written[row] ?? "");
    }
    return parts.join("\n").toLowerCase();
  });
  return haystacks;
}

/** The place of each row in the order of ids, "clip-10" after "clip-9". */
let ranks = null;
function idRanks() {
  if (!ranks) {
    const { compare } = new Intl.Collator("en", { numeric: true });
    const order = data.ids.map((_, row) => row).sort((a, b) => compare(data.ids[a], data.ids[b]));
    ranks = new Array(utteranceCount);
    order.forEach((row, rank) => { ranks[row] = rank; });
  }
  return ranks;
}

/** The rows that pass all filters, sorted. */
function chosenRows() {
  if (view.only !== null) return [view.only];
  const tests = [];
  const sought = control("search").value.trim().toLowerCase();
  if (sought) {
    const texts = searchable();
    tests.push((row) => texts[row].includes(sought));
  }
  for (const select of document.querySelectorAll("select[data-group]")) {
    if (select.value === "all") continue;
    const column = data.groups[select.dataset.group].of;
    const wanted = Number(select.value);
    tests.push((row) => column[row] === wanted);
  }
  const kind = control("kind").value;
  if (kind !== "all") {
    const [, holds] = KINDS[kind];
    const among = chosenSystems();
    tests.push(kind === "right" ? (row) => among.every((system) => holds(system, row)) : (row) => among.some((system) => holds(system, row)));
  }
  if (view.word) tests.push((row) => holdsError(row, view.word));

  const rows = [];
  for (let row = 0; row < utteranceCount; row++) if (tests.every((test) => test(row))) rows.push(row);
  return sorted(rows);
}

function sorted(rows) {
  const [, keyOf] = SORTS[control("sort").value];
  const sign = isDownward() ? -1 : 1;
  const keys = new Map(rows.map((row) => [row, keyOf(row)]));
  return rows.sort((a, b) => {
    const [x, y] = [keys.get(a), keys.get(b)];
    if (x === null || y === null) return (x === null) - (y === null) || a - b; // unknown: last, whichever the direction
    return sign * (x - y) || a - b;
  });
}

/** Whether one system made this error here. "recall" means a word of the reference that was missed in any way. */
function holdsError(row, { system, kind, reference, heard }) {
  if (!systems[system].errors[row]) return false;
  return alignmentOf(systems[system], row).some(([happened, said, made]) => {
    if (kind === "recall") return said === reference && (happened === "s" || happened === "d");
    return happened === kind && (kind === "i" || said === reference) && (kind === "d" || made === heard);
  });
}

const isDownward = () => control("direction").getAttribute("aria-pressed") === "true";

function setDirection(downward) {
  const button = control("direction");
  const label = downward ? "Highest first" : "Lowest first";
  button.setAttribute("aria-pressed", String(downward));
  button.setAttribute("aria-label", label);
  button.title = label;
  button.textContent = downward ? "↓" : "↑";
}

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
  const chip = view.only !== null ? data.ids[view.only] : view.word && view.word.label;
  control("chip").textContent = chip ?? "";
  control("chip").hidden = !chip;
}

function showMore() {
  const next = view.rows.slice(view.shown, view.shown + STRETCH);
  list.append(...next.map(card));
  view.shown += next.length;
  control("more").hidden = view.shown >= view.rows.length;
}

/** One utterance. */
function card(row) {
  const facts = [data.groups.speaker && data.groups.speaker.values[data.groups.speaker.of[row]], data.durations[row] === null ? null : `${data.durations[row].toFixed(1)}\u00a0s`];
  return element("li", { class: "card utterance" },
    element("div", { class: "about" },
      audioAddress(row) === null ? null : element("button", { type: "button", class: "play", "aria-label": `Play ${data.ids[row]}`, onclick: (event) => play(event.currentTarget, row) }, "▶"),
      element("a", { class: "path", href: `#${encodeURIComponent(data.ids[row])}` }, data.ids[row]),
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

/** The alignments of all systems under one reference, or, where references differ, one under the other. */
function alignments(row) {
  const all = systems.map((system) => alignmentOf(system, row));
  const references = all.map((columns) => JSON.stringify(columns.filter((column) => column[0] !== "i").map((column) => column[1])));
  const numbers = systems.map((_, number) => number);
  const together = references.every((reference) => reference === references[0]) ? [numbers] : numbers.map((number) => [number]);
  return together.flatMap((some) => (some.length ? [alignmentTable(some, some.map((number) => all[number])), aloud(some, all)] : []));
}

/** Columns that wrap like words: the reference above, each system's word below. Hidden from screen readers, which get `aloud`. */
function alignmentTable(numbers, all) {
  const cell = (kind, text) => element("span", { class: `cell ${kind}` }, text);
  const head = element("span", { class: "column heads" }, cell("head", "reference"),
    ...numbers.map((number) => element("span", { class: "cell head", title: systems[number].name }, element("i", { class: `dot ${series(number)}` }), systems[number].name)));
  return element("div", { class: "alignment", "aria-hidden": "true" }, head,
    ...merged(all).map(({ said, heard }) => element("span", { class: "column" }, cell(said === null ? "blank" : "said", said ?? ""),
      ...heard.map((part) => (part === null ? cell("blank", "") : cell(part[0] === "=" ? "same" : part[0], part[0] === "d" ? "–" : part[2]))))));
}

/** Alignments of several hypotheses with one reference as columns {said, heard: one entry a system}; null stands where nothing is. */
function merged(all) {
  const at = all.map(() => 0);
  const columns = [];
  for (;;) {
    while (all.some((columnsOf, n) => columnsOf[at[n]]?.[0] === "i")) {
      columns.push({ said: null, heard: all.map((columnsOf, n) => (columnsOf[at[n]]?.[0] === "i" ? columnsOf[at[n]++] : null)) });
    }
    if (all.every((columnsOf, n) => at[n] >= columnsOf.length)) return columns;
    const heard = all.map((columnsOf, n) => columnsOf[at[n]++] ?? null);
    columns.push({ said: heard.find(Boolean)[1], heard });
  }
}

/** The alignment in words, for those who listen to the page. */
function aloud(numbers, all) {
  const said = all[numbers[0]].filter((column) => column[0] !== "i").map((column) => column[1]).join(" ");
  const tell = ([kind, reference, heard]) => ({ "=": heard, s: `[${heard} instead of ${reference}]`, d: `[${reference} left out]`, i: `[${heard} put in]` })[kind];
  const texts = numbers.map((number) => `${systems[number].name}: ${all[number].map(tell).join(" ")}`);
  return element("p", { class: "hidden" }, [`Reference: ${said}`, ...texts].join(". "));
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
  const address = source.startsWith("data:image/") ? source : fileAddress(source);
  const details = element("details", { class: "attention", ontoggle: () => {
      if (details.querySelector("img")) return;
      const image = element("img", { src: address, alt: `Attention over ${data.ids[row]}`, onerror: () => image.replaceWith(unreachable("The picture", source)) });
      details.append(image);
    } },
    element("summary", {}, "Attention"));
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
  return element("span", { class: "muted", role: "status", title: path }, `${what} cannot be reached from here.`);
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
  const select = [...document.querySelectorAll("select[data-group]")].find((other) => other.dataset.group === key);
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
  for (const select of document.querySelectorAll("select[data-group], #kind")) select.value = "all";
  control("search").value = "";
}

/** Forget the one utterance or error that was picked; an address that names an utterance would bring it back on reload. */
function leaveSelection() {
  if (view.only !== null) history.replaceState(null, "", "#utterances");
  view.only = view.word = null;
}

fillControls();
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
