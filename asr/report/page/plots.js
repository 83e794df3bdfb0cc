"use strict";

/* The plots: SVG in screen size, so that text stays readable on a phone. Every scale starts at 0 and ends at a labelled tick. */

const ORDERED = ["duration", "length"]; // keys whose groups are bins of a scale: drawn left to right
const AXES = { duration: "duration of the utterance (s)", length: "words in the reference" };
const UNITS = / (s|words)$/; // named once, at the axis
const ROWS_AT_FIRST = 12;
const openCharts = new Set(); // keys of which all rows are shown

const PAPER_WIDTH = 310; // of a plot on paper, where two stand side by side

/** Draw all plots: at the start, whenever the width changes, and for paper. A key with one group has no plot, since a single bar shows
 * nothing; without errors there is none at all. */
function drawCharts(given) {
  const box = document.getElementById("charts");
  const hasErrors = systems.some((system) => system.figures.errors.some(Boolean));
  const keys = !hasErrors ? [] : [...new Set(systems.flatMap((system) => Object.keys(system.groups)))].filter((key) => valuesOf(linesOf(key)).length > 1);
  const wanted = [
    ...ORDERED.filter((key) => keys.includes(key)).map((key) => () => columnChart(key)),
    ...(hasErrors && sharesByRate().some((bins) => bins.filter(Boolean).length > 1) ? [distributionChart] : []),
    ...keys.filter((key) => !ORDERED.includes(key)).map((key) => () => rowChart(key)),
  ];
  const cards = wanted.map((draw) => ({ draw, card: element("figure", { class: "card chart" }) }));
  box.replaceChildren(...cards.map(({ card }) => card));
  const width = given ?? (cards.length ? cards[0].card.clientWidth - 32 : 0); // less the card's padding
  for (const { draw, card } of cards) card.append(...draw()(Math.max(width, 240)));
  if (!cards.length) box.append(element("p", { class: "none" }, hasErrors ? "No plots: all utterances fall into one group." : "No plots: there are no errors."));
}

/* --- Three kinds of plot; each gives a function from a width to the figure's children --- */

/** Error rate over the bins of a scale, with intervals; grey bars behind it show the number of utterances. */
function columnChart(key) {
  return (width) => {
    const lines = linesOf(key);
    const values = valuesOf(lines);
    const top = topOf(lines);
    const frame = frameOf(width, 220, labelWidth(top), 42);
    const y = (rate) => frame.bottom - (Math.min(rate, top) / top) * frame.height;
    const band = frame.width / values.length;
    const middle = (number) => frame.left + (number + 0.5) * band;
    const sizes = values.map((value) => Math.max(...lines.map((groups) => groups.get(value)?.utterances ?? 0)));
    const largest = Math.max(...sizes, 1);

    const drawing = [
      ...sizes.map((size, n) => {
        const height = 0.4 * frame.height * (size / largest);
        return shape("rect", { class: "amount", x: middle(n) - 0.4 * band, y: frame.bottom - height, width: 0.8 * band, height });
      }),
      ...horizontalGrid(frame, top, y),
      ...bandLabels(frame, values.map((value) => value.replace(UNITS, "")), band, middle),
      axisTitle(frame, AXES[key] ?? key),
    ];
    lines.forEach((groups, number) => {
      const shift = (number - (lines.length - 1) / 2) * Math.min(10, band / (lines.length + 1));
      const points = values.map((value, n) => ({ value, group: groups.get(value), x: middle(n) + shift })).filter((p) => p.group && p.group.rate !== null);
      const path = points.map((p) => `${p.x},${y(p.group.rate)}`).join(" ");
      drawing.push(
        shape("g", { class: `line ${series(number)}` },
          shape("polyline", { points: path }),
          ...points.flatMap((p) => [
            p.group.low === null ? null : shape("line", { class: "whisker", x1: p.x, x2: p.x, y1: y(p.group.low), y2: y(p.group.high) }),
            p.group.high > top ? shape("path", { class: "beyond-scale", d: `M${p.x - 4},${frame.top + 3} l4,-7 l4,7 z` }) : null,
            shape("circle", { cx: p.x, cy: y(p.group.rate), r: 4 }),
          ])));
    });
    values.forEach((value, n) => {
      const area = shape("rect", { class: "hover", x: frame.left + n * band, y: frame.top, width: band, height: frame.height + 22, rx: 4 });
      drawing.push(pressable(key, value, lines, area));
    });
    return [
      caption(`Word error rate by ${key}`, `${meaning(lines, top)}Grey bars: number of utterances, at most ${count(largest)}.`, "Click a bin to list its utterances."),
      picture(frame, drawing),
    ];
  };
}

/** Error rate of each group of an unordered key (speakers, subsets), highest first; a click lists the group's utterances. */
function rowChart(key) {
  return (width) => {
    const lines = linesOf(key);
    const worst = new Map(valuesOf(lines).map((value) => [value, Math.max(...lines.map((groups) => groups.get(value)?.rate ?? -1))]));
    const all = [...worst.keys()].sort((a, b) => worst.get(b) - worst.get(a));
    const values = openCharts.has(key) ? all : all.slice(0, ROWS_AT_FIRST);
    const height = 14 + 9 * lines.length; // of one row
    const labels = Math.min(0.35 * width, 14 + 7.5 * Math.max(...values.map((value) => value.length), 1));
    const frame = frameOf(width, height * values.length + 50, labels, 40);
    const top = topOf(lines.map((groups) => new Map(values.filter((value) => groups.has(value)).map((value) => [value, groups.get(value)]))));
    const x = (rate) => frame.left + (Math.min(rate, top) / top) * frame.width;
    const letters = Math.floor((labels - 8) / 7.5);

    const drawing = [
      ...values.slice(1).map((_, n) => shape("line", { class: "grid faint", x1: 0, x2: frame.right, y1: frame.top + (n + 1) * height, y2: frame.top + (n + 1) * height })),
      ...ticks(top).flatMap((rate) => [
        shape("line", { class: "grid", x1: x(rate), x2: x(rate), y1: frame.top, y2: frame.bottom }),
        shape("text", { class: "tick", x: x(rate), y: frame.bottom + 16, "text-anchor": "middle" }, tickLabel(rate, top)),
      ]),
      axisTitle(frame, "word error rate"),
      ...values.map((value, n) => {
        const middle = frame.top + (n + 0.5) * height;
        const area = shape("rect", { class: "hover", x: 0, y: middle - height / 2, width, height, rx: 4 });
        const name = shape("text", { class: "label", x: labels - 8, y: middle + 4, "text-anchor": "end" }, shortened(value, letters));
        return pressable(key, value, lines, area, name, ...lines.map((groups, number) => {
          const group = groups.get(value);
          if (!group || group.rate === null) return null;
          const line = middle + (number - (lines.length - 1) / 2) * 9;
          return shape("g", { class: `line ${series(number)}` },
            group.low === null ? null : shape("line", { class: "whisker", x1: x(group.low), x2: x(group.high), y1: line, y2: line }),
            group.high > top ? shape("path", { class: "beyond-scale", d: `M${frame.right - 3},${line - 4} l7,4 l-7,4 z` }) : null,
            shape("circle", { cx: x(group.rate), cy: line, r: 4 }));
        }));
      }),
    ];
    const note = `${all.length > values.length ? `The ${values.length} highest of ${count(all.length)}.` : "Highest first."} ${meaning(lines, top)}`.trim();
    const open = () => { openCharts.add(key); drawCharts(); };
    return [
      caption(`Word error rate by ${key}`, note, "Click a row to list its utterances."),
      picture(frame, drawing),
      all.length > values.length ? element("button", { type: "button", onclick: open }, `Show all ${count(all.length)}`) : null,
    ].filter(Boolean);
  };
}

/** Bins of the distribution: 0 alone, then (0, 10 %], (10, 20 %], …, and above 100 %. */
const RATE_BINS = ["0", ...Array.from({ length: 10 }, (_, n) => `${10 * n + 10}`), "> 100"];

/** For each system the share of its utterances in each bin of the error rate. */
function sharesByRate() {
  const binOf = (rate) => (rate === 0 ? 0 : Math.min(Math.ceil(10 * rate - 1e-9), 11)); // the small term keeps 0.3 out of the next bin
  return systems.map((system) => {
    const bins = new Array(RATE_BINS.length).fill(0);
    const rates = system.figures.rate.filter((rate) => rate !== null);
    for (const rate of rates) bins[binOf(rate)] += 1 / rates.length;
    return bins;
  });
}

/** Distribution of the utterances' error rates. */
function distributionChart() {
  return (width) => {
    const labels = RATE_BINS;
    const shares = sharesByRate();
    const top = scaleEnd(Math.max(...shares.flat(), 0.01));
    const frame = frameOf(width, 220, labelWidth(top), 42);
    const y = (share) => frame.bottom - (share / top) * frame.height;
    const band = frame.width / labels.length;
    const middle = (number) => frame.left + (number + 0.5) * band;
    const thick = Math.min(26, (0.8 * band) / systems.length);

    const bars = shares.flatMap((bins, number) => bins.map((share, n) => {
      const left = middle(n) + (number - systems.length / 2) * thick;
      const range = n === 0 ? "no errors" : n === 11 ? "above 100 %" : `above ${10 * (n - 1)} up to ${10 * n} %`;
      return shape("rect", { class: `bar-of ${series(number)}`, x: left, y: y(share), width: Math.max(thick - 1, 1), height: frame.bottom - y(share) },
        shape("title", {}, `${systems[number].name}, ${range}: ${percent(share)} of the utterances`));
    }));
    const right = `Without errors: ${shares.map((bins, number) => `${percent(bins[0])}${systems.length > 1 ? ` (${systems[number].name})` : ""}`).join(", ")}`;
    return [
      caption("Share of utterances by their error rate", `${right}. A bin of 10 points is labelled by its upper end.`),
      picture(frame, [
        ...horizontalGrid(frame, top, y),
        ...bars,
        ...bandLabels(frame, labels, band, middle),
        axisTitle(frame, "word error rate of an utterance (%)"),
      ]),
    ];
  };
}

/* --- Parts of a plot --- */

/** The area of the data in the picture; the rest is for labels. */
function frameOf(width, height, left, below) {
  const frame = { left, right: width - 24, top: 10, bottom: height - below, outerWidth: width, outerHeight: height };
  return { ...frame, width: frame.right - frame.left, height: frame.bottom - frame.top };
}

function picture(frame, drawing) {
  const size = { width: frame.outerWidth, height: frame.outerHeight, viewBox: `0 0 ${frame.outerWidth} ${frame.outerHeight}` };
  return shape("svg", { ...size, role: "group" }, ...drawing);
}

/** A part of a plot for a group: its tooltip has the group's figures, a click lists its utterances. */
function pressable(key, value, lines, ...parts) {
  const said = lines.map((groups, number) => groups.has(value) && describe(systems[number].name, groups.get(value))).filter(Boolean).join("\n");
  const show = () => filterByGroup(key, value);
  const attributes = {
    class: "press", role: "button", tabindex: 0, "aria-label": `${said}. Show these utterances`, onclick: show,
    onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); show(); } },
  };
  return shape("g", attributes, shape("title", {}, said), ...parts);
}

/** The heading of a plot; the hint is not printed. */
function caption(title, note, hint) {
  const names = systems.map((system, n) => element("span", { class: "name", title: system.name }, element("i", { class: `dot ${series(n)}` }), system.name));
  return element("figcaption", {}, element("h3", {}, title), element("p", { class: "note" }, note, hint ? element("span", { class: "on-screen" }, ` ${hint}`) : null), names.length > 1 ? element("p", { class: "note key" }, ...names) : null);
}

function horizontalGrid(frame, top, y) {
  return ticks(top).flatMap((value) => [
    shape("line", { class: "grid", x1: frame.left, x2: frame.right, y1: y(value), y2: y(value) }),
    shape("text", { class: "tick", x: frame.left - 6, y: y(value) + 4, "text-anchor": "end" }, tickLabel(value, top)),
  ]);
}

/** Labels below the bands, as many as fit. */
function bandLabels(frame, values, band, middle) {
  const step = Math.ceil((7 * Math.max(...values.map((value) => value.length), 1) + 4) / band);
  return values.map((value, n) => (n % step ? null : shape("text", { class: "tick", x: middle(n), y: frame.bottom + 16, "text-anchor": "middle" }, value)));
}

function axisTitle(frame, text) {
  return shape("text", { class: "tick", x: (frame.left + frame.right) / 2, y: frame.outerHeight - 6, "text-anchor": "middle" }, text);
}

/** The distance of about four ticks between zero and the top: 1, 2 or 5 times a power of ten. */
function tickStep(top) {
  const rough = top / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
}

/** The end of a scale that holds all values up to `largest`: a tick. */
function scaleEnd(largest) {
  const step = tickStep(largest);
  return Math.ceil(largest / step - 1e-9) * step;
}

/** Ticks from zero to the top, which is one. */
function ticks(top) {
  const step = tickStep(top);
  return Array.from({ length: Math.round(top / step) + 1 }, (_, n) => n * step);
}

/** A tick in percent, with as many digits as its scale needs. */
function tickLabel(value, top) {
  return percent(value, tickStep(top) < 0.0099 ? 1 : 0);
}

/** The width of the labels at the side of a scale. */
function labelWidth(top) {
  return Math.max(44, 9 + 7.5 * Math.max(...ticks(top).map((value) => tickLabel(value, top).length)));
}

/** The groups of a key by value, for each system. */
function linesOf(key) {
  return systems.map((system) => new Map((system.groups[key] ?? []).map((group) => [group.value, group])));
}

function valuesOf(lines) {
  return [...new Set(lines.flatMap((groups) => [...groups.keys()]))];
}

/** The end of the scale: all rates fit, and all intervals unless they are very wide; these end in an arrow. */
function topOf(lines) {
  const groups = lines.flatMap((line) => [...line.values()]);
  const rate = Math.max(...groups.map((group) => group.rate ?? 0), 0);
  const high = Math.max(...groups.map((group) => group.high ?? 0), rate);
  return scaleEnd(Math.max(Math.min(high, 1.6 * rate), 0.01));
}

/** A sentence on the lines of a plot: their confidence level, and where one ends in an arrow. Empty if there are no intervals. */
function meaning(lines, top) {
  const highs = lines.flatMap((line) => [...line.values()]).map((group) => group.high).filter((high) => high !== null);
  if (!highs.length || !data.level) return "";
  const beyond = highs.some((high) => high > top) ? "; an arrow: it ends beyond the scale" : "";
  return `Lines: ${data.level} intervals${beyond}. `;
}

function describe(name, group) {
  const interval = group.low === null ? "" : ` (${percent(group.low)} to ${percent(group.high)})`;
  return `${group.value}: ${name} ${percent(group.rate)}${interval}, ${count(group.utterances, "utterance")}`;
}

function shortened(text, letters) {
  return text.length > letters ? `${text.slice(0, Math.max(letters - 1, 1))}…` : text;
}

window.addEventListener("beforeprint", () => drawCharts(PAPER_WIDTH));
window.addEventListener("afterprint", () => drawCharts());

let drawnWidth = 0;
new ResizeObserver(([entry]) => {
  const width = Math.round(entry.contentRect.width);
  if (width === drawnWidth) return;
  drawnWidth = width;
  requestAnimationFrame(() => drawCharts());
}).observe(document.getElementById("charts"));
