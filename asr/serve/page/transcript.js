/* The transcript: a list of segments. Each has a button with its start time, and a button per word.
 * The list is one stop of the Tab key. Left and Right move by one button, Up and Down by one segment. */

const SURE = 0.8; // least probability of a word that is not marked
const UNSURE = 0.5; // least probability of a word with the weaker mark
const TOLERANCE = 0.01; // s by which a player may stop before the position that was asked for
const AFTERGLOW = 0.3; // s for which a word stays lit after its end

/* Format seconds as m:ss or h:mm:ss. */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const pad = (n) => String(n).padStart(2, "0");
  return hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}

export class Transcript {
  /* `play` is called with the time (s) of the button that was pressed. */
  constructor(list, play) {
    this.list = list;
    this.clear();
    list.addEventListener("keydown", (event) => this.#onKey(event));
    list.addEventListener("focusin", (event) => this.#makeTabStop(event.target));
    list.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) play(Number(button.dataset.start));
    });
  }

  clear() {
    this.list.replaceChildren();
    this.entries = []; // {segment, item, words: buttons}, in the order of the recording
    this.playing = null; // the word that is being played
    this.lit = null; // its button
    this.tabStop = null;
  }

  get wordCount() {
    return this.entries.reduce((sum, { segment }) => sum + segment.text.split(/\s+/).filter(Boolean).length, 0);
  }

  /* One line per segment. */
  get text() {
    return this.entries.map(({ segment }) => `${segment.text}\n`).join("");
  }

  /* Insert a segment at its place: those of similar length are recognised together, so they arrive out of order. */
  add(segment) {
    const entry = { segment, item: document.createElement("li"), words: segment.words.map(wordButton) };
    const text = document.createElement("span");
    text.className = segment.doubtful ? "text weak" : "text";
    text.append(...(entry.words.length ? entry.words.flatMap((button) => [button, " "]) : [segment.text]));
    entry.item.append(timeButton(segment), text);
    const index = this.entries.filter((other) => other.segment.start < segment.start).length;
    this.list.insertBefore(entry.item, this.list.children[index] ?? null);
    this.entries.splice(index, 0, entry);
    if (!this.tabStop) this.#makeTabStop(entry.item.firstChild);
  }

  /* Light the word that is played at a time. */
  show(seconds) {
    const entry = this.entries.findLast(({ segment }) => segment.start <= seconds + TOLERANCE);
    const index = entry ? entry.segment.words.findLastIndex((word) => word.start <= seconds + TOLERANCE) : -1;
    const word = entry?.segment.words[index];
    this.playing = word && seconds < word.end + AFTERGLOW ? word : null;
    this.#light(this.playing ? entry.words[index] : null);
  }

  /* Highlight the word under the mouse in a picture, or none. */
  highlight(word) {
    for (const { segment, words } of this.entries) {
      words.forEach((button, i) => button.classList.toggle("hovered", segment.words[i] === word));
    }
  }

  #light(button) {
    if (button === this.lit) return;
    this.lit?.classList.remove("playing");
    this.lit?.removeAttribute("aria-current");
    button?.classList.add("playing");
    button?.setAttribute("aria-current", "true");
    this.lit = button;
  }

  #makeTabStop(button) {
    if (this.tabStop) this.tabStop.tabIndex = -1;
    button.tabIndex = 0;
    this.tabStop = button;
  }

  #onKey(event) {
    const button = event.target.closest("button");
    const target = button && this.#neighbour(button, event.key);
    if (target === undefined || target === null) return;
    event.preventDefault();
    target.focus();
  }

  /* The button that a key leads to: null at an end of the list, undefined for other keys. */
  #neighbour(button, key) {
    const buttons = [...this.list.querySelectorAll("button")];
    const index = buttons.indexOf(button);
    const item = button.closest("li");
    const start = (other) => other?.querySelector("button") ?? null;
    const targets = {
      ArrowRight: () => buttons[index + 1] ?? null,
      ArrowLeft: () => buttons[index - 1] ?? null,
      ArrowDown: () => start(item.nextElementSibling),
      ArrowUp: () => (button === start(item) ? start(item.previousElementSibling) : start(item)),
      Home: () => buttons[0],
      End: () => buttons.at(-1),
    };
    return targets[key]?.();
  }
}

function playButton(start, className, text) {
  const button = document.createElement("button");
  button.type = "button";
  button.tabIndex = -1;
  button.className = className;
  button.dataset.start = start;
  button.textContent = text;
  return button;
}

function timeButton({ start }) {
  const button = playButton(start, "time", clock(start));
  button.setAttribute("aria-label", `Play from ${clock(start)}`);
  return button;
}

function wordButton({ word, start, probability }) {
  const mark = probability >= SURE ? "sure" : probability >= UNSURE ? "unsure" : "doubtful";
  const button = playButton(start, `word ${mark}`, word);
  button.title = `${start.toFixed(2)} s, ${Math.round(100 * probability)} % sure`;
  return button;
}
