/* The transcript: words that light up as they are heard, and can be gone to. One is in the tab order; arrow keys move on. */

const SURE = 0.8;
const UNSURE = 0.5;

export class Words {
  constructor(place, hear) {
    this.place = place;
    this.hear = hear;
    this.clear();
    place.addEventListener("keydown", (event) => this.#move(event));
    place.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) {
        this.#reach(button);
        this.hear(this.words[this.buttons.indexOf(button)]);
      }
    });
  }

  clear() {
    this.place.replaceChildren();
    this.words = [];
    this.buttons = [];
    this.segments = []; // [start, stretch]
    this.active = null;
    this.lit = null; // the button of the active word
    this.silent = 0; // segments whose words have no times, and so no buttons
  }

  get count() {
    return this.words.length + this.silent;
  }

  /* Segments may come out of order: those of like length are recognised together. */
  add(segment) {
    const stretch = document.createElement("span");
    stretch.className = segment.doubtful ? "stretch" : "";
    if (!segment.words.length) {
      stretch.append(segment.text, " ");
      this.silent += segment.text.split(/\s+/).length;
    }
    const made = segment.words.map((word) => {
      const button = document.createElement("button");
      const sure = Math.round(100 * word.probability);
      button.type = "button";
      button.tabIndex = -1;
      button.className = `word ${word.probability >= SURE ? "sure" : word.probability >= UNSURE ? "unsure" : "doubtful"}`;
      button.textContent = word.word;
      button.title = `${word.start.toFixed(2)} s, ${sure} % sure`;
      stretch.append(button, " ");
      return button;
    });
    const index = this.segments.filter(([start]) => start < segment.start).length;
    const before = this.segments.slice(0, index).reduce((n, [, , count]) => n + count, 0);
    this.place.insertBefore(stretch, this.place.children[index] ?? null);
    this.segments.splice(index, 0, [segment.start, stretch, made.length]);
    this.words.splice(before, 0, ...segment.words);
    this.buttons.splice(before, 0, ...made);
    if (this.buttons.length && !this.buttons.some((button) => button.tabIndex === 0)) this.buttons[0].tabIndex = 0;
  }

  /* The word that is said at so many seconds is lit. */
  show(seconds) {
    let index = -1;
    for (let i = 0; i < this.words.length && this.words[i].start <= seconds + 0.01; i += 1) index = i;
    const said = index >= 0 && seconds < this.words[index].end + 0.3;
    this.active = said ? this.words[index] : null;
    const lit = said ? this.buttons[index] : null;
    if (lit === this.lit) return;
    this.lit?.classList.remove("heard");
    this.lit?.removeAttribute("aria-current");
    lit?.classList.add("heard");
    lit?.setAttribute("aria-current", "true");
    this.lit = lit;
  }

  /* A word that is looked at in a picture. */
  glance(word) {
    this.buttons.forEach((button, i) => button.classList.toggle("glanced", this.words[i] === word));
  }

  #reach(button) {
    this.buttons.forEach((other) => { other.tabIndex = other === button ? 0 : -1; });
  }

  #move(event) {
    const now = this.buttons.indexOf(document.activeElement);
    const steps = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: this.buttons.length - 1 };
    const next = this.buttons[steps[event.key]];
    if (now < 0 || !(event.key in steps)) return;
    event.preventDefault();
    if (next) {
      this.#reach(next);
      next.focus();
    }
  }
}
