"use strict";

/* The choice of utterances: filters and orders. */

const control = (id) => document.getElementById(id);

/** The current choice. `only` is a single row (a link to an utterance), `word` an error picked from the lists. */
const view = { rows: [], shown: 0, only: null, word: null };

/* --- The options --- */

/** The figure of a row's results over the chosen systems, by which the list can be sorted. */
const pooled = (column) => (row, among) => POOLS[column.pooled](among.map((system) => resultFigure(system, column.key, row)));

/** Orders by key: label, and a number for a row (null sorts last). Every column of figures is one. */
const SORTS = {
  ...Object.fromEntries(data.columns.results.map((column) => [column.key, [column.heading, pooled(column)]])),
  ...(systems.length > 1 && { differ: ["difference between systems", (row) => spread(systems.map((system) => system.figures.errors[row]))] }),
  ...Object.fromEntries(data.columns.utterances.map((column) => [column.key, [column.heading, (row) => figure(column.key, row)]])),
  id: ["id", (row) => idRanks()[row]],
  file: ["order in the file", (row) => row],
};

/** Filters by error: label, and a test of a system's result. */
const KINDS = {
  all: ["all", () => true],
  wrong: ["with errors", (system, row) => system.figures.errors[row] > 0],
  s: ["with substitutions", (system, row) => hasKind(system, row, "s")],
  d: ["with deletions", (system, row) => hasKind(system, row, "d")],
  i: ["with insertions", (system, row) => hasKind(system, row, "i")],
  right: ["without errors", (system, row) => system.figures.errors[row] === 0 && !system.missing.has(row)],
  missing: ["without a hypothesis", (system, row) => system.missing.has(row)],
};

/** A key with more values than this has no filter. */
const MOST_CHOICES = 3000;

const UPWARD = ["id", "file"]; // these start with the lowest

const known = (numbers) => numbers.filter((number) => number !== null);
const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
const POOLS = {
  sum: (numbers) => (known(numbers).length ? sum(known(numbers)) : null),
  mean: (numbers) => (known(numbers).length ? sum(known(numbers)) / known(numbers).length : null),
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
    if (column.values.length < 2 || column.values.length > MOST_CHOICES) continue;
    const choices = column.values.map((value, number) => option(number, value));
    control("groups").append(element("label", {}, capital(key), element("select", { "data-group": key }, option("all", "all"), ...choices)));
  }
  control("filters").hidden = !groupSelects().length;
}

const groupSelects = () => [...control("groups").querySelectorAll("select")];
const groupsInUse = () => groupSelects().filter((select) => select.value !== "all");

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/* --- Choosing rows --- */

/** The texts that a search looks through: id, texts as compared and as written, in lower case. Built on the first search, or when idle. */
let haystacks = null;
function searchable() {
  haystacks ??= data.ids.map((id, row) => {
    const parts = [id, data.words[row] ?? "", data.written[row] ?? ""];
    for (const system of systems) {
      if (system.figures.errors[row] > 0) parts.push(heardText(system, row)); // without errors it equals the reference
      parts.push(system.written[row] ?? "");
    }
    return parts.join("\n").toLowerCase();
  });
  return haystacks;
}

/** The rank of each row by id, "clip-10" after "clip-9". */
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
  const sought = soughtText();
  if (sought) {
    const texts = searchable();
    tests.push((row) => texts[row].includes(sought));
  }
  for (const select of groupsInUse()) {
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

  return inOrder().filter((row) => tests.every((test) => test(row)));
}

/** All rows, sorted; cached until the order changes. */
let kept = { by: null, rows: [] };
function inOrder() {
  const by = [control("sort").value, isDownward(), control("system").value].join(" ");
  if (kept.by !== by) kept = { by, rows: sorted(control("sort").value, chosenSystems()) };
  return kept.rows;
}

function sorted(sort, among) {
  const [, keyOf] = SORTS[sort];
  const sign = isDownward() ? -1 : 1;
  const keys = data.ids.map((_, row) => keyOf(row, among));
  return data.ids.map((_, row) => row).sort((a, b) => {
    const [x, y] = [keys[a], keys[b]];
    if (x === null || y === null) return (x === null) - (y === null) || a - b; // unknown: last in both directions
    return sign * (x - y) || a - b;
  });
}

const soughtText = () => control("search").value.trim().toLowerCase();

/** Whether the system of `word` made this error in this utterance. */
function holdsError(row, word) {
  const system = systems[word.system];
  return system.figures.errors[row] > 0 && alignmentOf(system, row).some((column) => isError(column, word));
}

/** Whether a column of an alignment is this error; kind "recall" is any deletion or substitution of the reference word. */
function isError([happened, said, made], { kind, reference, heard }) {
  if (kind === "recall") return said === reference && (happened === "s" || happened === "d");
  return happened === kind && (kind === "i" || said === reference) && (kind === "d" || made === heard);
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
