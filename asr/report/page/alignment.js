"use strict";

/* The alignments of one utterance. */

const COLUMNS_AT_FIRST = 120; // of a long utterance; a click shows the rest

/** The alignments of all systems below one reference; if their references differ, one alignment below the other. */
function alignments(row) {
  const all = systems.map((system) => alignmentOf(system, row));
  const references = all.map((columns) => JSON.stringify(columns.filter((column) => column[0] !== "i").map((column) => column[1])));
  const numbers = systems.map((_, number) => number);
  const together = references.every((reference) => reference === references[0]) ? [numbers] : numbers.map((number) => [number]);
  return together.flatMap((some) => (some.length ? [alignmentTable(some, some.map((number) => all[number])), spoken(some, all)] : []));
}

/** Columns that wrap like words: the reference above, each system's word below. Hidden from screen readers, which get `spoken`. */
function alignmentTable(numbers, all) {
  const head = element("span", { class: "column heads" }, element("span", { class: "cell head" }, "reference"),
    ...numbers.map((number) => element("span", { class: "cell head", title: systems[number].name }, element("i", { class: `dot ${series(number)}` }), element("bdi", {}, systems[number].name))));
  const isSought = soughtWords();
  const columns = merged(all);
  const draw = (some) => some.map((column) => wordColumn(column, numbers, isSought));
  const direction = isRightToLeft(columns.map((column) => column.said ?? "").join("")) ? "rtl" : null;
  const table = element("div", { class: "alignment", dir: direction, "aria-hidden": "true" }, head, ...draw(columns.slice(0, COLUMNS_AT_FIRST)));
  const rest = columns.slice(COLUMNS_AT_FIRST);
  if (rest.length) {
    const open = () => more.replaceWith(...draw(rest));
    const more = element("button", { type: "button", class: "rest", tabindex: -1, onclick: open }, `… ${count(rest.length, "more word")}`);
    table.append(more);
  }
  return table;
}

/** Whether a text's first letter is of a script that is written from right to left. */
function isRightToLeft(text) {
  return /^\P{L}*[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u.test(text);
}

/** One word of the reference, or a blank, and below it the words of the systems. */
function wordColumn({ said, heard }, numbers, isSought) {
  const word = (kind, text, marked) => element("span", { class: `cell ${kind}${marked || isSought(text) ? " sought" : ""}` }, text);
  return element("span", { class: "column" },
    word(said === null ? "blank" : "said", said ?? ""),
    ...heard.map((part, n) => {
      if (part === null) return word("blank", "");
      const [kind, , made] = part;
      const marked = view.word !== null && view.word.system === numbers[n] && isError(part, view.word);
      if (kind === "d") return word("d", "–", marked);
      return word(kind === "=" ? sameClass(numbers[n]) : kind, made, marked);
    }));
}

/** Correct words have their system's colour if there are several systems. */
function sameClass(number) {
  return systems.length > 1 ? `same ${series(number)}` : "same";
}

/** A test whether a word matches the search. */
function soughtWords() {
  const parts = soughtText().split(/\s+/).filter(Boolean);
  return (text) => parts.some((part) => text.toLowerCase().includes(part));
}

/** Merge alignments with one reference into columns {said, heard: an entry for each system}; null where there is no word. */
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

/** The alignment as a sentence, for screen readers. */
function spoken(numbers, all) {
  const said = all[numbers[0]].filter((column) => column[0] !== "i").map((column) => column[1]).join(" ");
  const word = ([kind, reference, heard]) => ({ "=": heard, s: `[${heard} instead of ${reference}]`, d: `[${reference} deleted]`, i: `[${heard} inserted]` })[kind];
  const texts = numbers.map((number) => `${systems[number].name}: ${all[number].map(word).join(" ")}`);
  return element("p", { class: "hidden" }, [`Reference: ${said}`, ...texts].join(". "));
}
