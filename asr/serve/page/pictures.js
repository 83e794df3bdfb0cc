/* What the network gets to hear, and over it each word's attention: a picture for each stretch of speech. */

const PIXELS_A_SECOND = 120;
const HEIGHT = 170;
const LABEL_ROW = 24;
const FONT = "12px system-ui, sans-serif";

const bytes = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

function colour(name) {
  const probe = document.createElement("span");
  probe.className = `colour-${name}`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map(Number);
  probe.remove();
  return found;
}

/* Neighbours get hues far apart. */
const hue = (i) => (205 + i * 137.5) % 360;

export class Pictures {
  constructor(place, hear, glance) {
    this.place = place;
    this.hear = hear;
    this.glance = glance;
    this.clear();
  }

  clear() {
    this.place.replaceChildren();
    this.all = [];
    this.active = null;
  }

  add(segment) {
    const { picture } = segment;
    const figure = document.createElement("figure");
    figure.className = "card picture";
    const caption = document.createElement("figcaption");
    caption.className = "muted small";
    caption.textContent = `${segment.start.toFixed(1)} to ${segment.end.toFixed(1)} s`;
    const scroller = document.createElement("div");
    scroller.className = "scroll";
    const sheet = document.createElement("div");
    sheet.className = "sheet";
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Log-mel spectrogram with the attention of ${picture.words.length} words: ${segment.text}`);
    const head = document.createElement("div");
    head.className = "head";
    sheet.append(canvas, head);
    scroller.append(sheet);
    figure.append(caption, scroller);
    const one = { segment, picture, figure, scroller, sheet, canvas, head, mel: bytes(picture.mel), weights: bytes(picture.weights), labels: [] };
    one.labels = segment.words.map((word, i) => this.#label(one, word, i));
    sheet.append(...one.labels);
    const index = this.all.filter((other) => other.segment.start < segment.start).length;
    this.place.insertBefore(figure, this.place.children[index] ?? null);
    this.all.splice(index, 0, one);
    this.#draw(one);
  }

  /* Words of the transcript can be reached by keyboard; these are for the mouse, and stay out of the tab order. */
  #label(one, word, i) {
    const label = document.createElement("button");
    label.type = "button";
    label.tabIndex = -1;
    label.className = "label";
    label.textContent = word.word;
    label.style.setProperty("--hue", hue(i));
    const look = (what) => () => {
      one.looked = what;
      this.glance(what === null ? null : word);
      this.#draw(one);
    };
    label.addEventListener("mouseenter", look(i));
    label.addEventListener("mouseleave", look(null));
    label.addEventListener("click", () => this.hear(word));
    return label;
  }

  draw() {
    this.all.forEach((one) => this.#draw(one));
  }

  /* Where the recording is being played, and which word is heard. */
  show(seconds, word) {
    for (const one of this.all) {
      const inside = seconds >= one.segment.start && seconds < one.segment.end;
      one.head.hidden = !inside;
      const x = ((seconds - one.segment.start) / one.picture.seconds) * one.width;
      one.head.style.left = `${x}px`;
      if (inside && one.width > one.scroller.clientWidth && (x < one.scroller.scrollLeft || x > one.scroller.scrollLeft + one.scroller.clientWidth - 60)) {
        one.scroller.scrollLeft = x - 60;
      }
      const active = one.segment.words.indexOf(word);
      if (active !== one.active) {
        one.active = active;
        this.#draw(one);
      }
    }
  }

  #draw(one) {
    const { picture, canvas, sheet } = one;
    const width = Math.max(one.scroller.clientWidth, Math.round(picture.seconds * PIXELS_A_SECOND));
    const scale = Math.min(2, window.devicePixelRatio || 1);
    one.width = width;
    canvas.width = width * scale;
    canvas.height = HEIGHT * scale;
    sheet.style.width = canvas.style.width = `${width}px`;
    canvas.style.height = `${HEIGHT}px`;
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    context.drawImage(this.#spectrogram(one), 0, 0, width, HEIGHT);
    const chosen = one.looked ?? (one.active >= 0 ? one.active : null);
    for (let i = 0; i < picture.words.length; i += 1) this.#hill(context, one, i, chosen);
    one.labels.forEach((label, i) => label.classList.toggle("chosen", i === chosen));
    this.#place(one);
  }

  /* Quiet is the colour of the paper, loud that of the ink. */
  #spectrogram({ picture, mel }) {
    const [paper, ink] = [colour("paper"), colour("ink")];
    const image = new ImageData(picture.columns, picture.bands);
    for (let x = 0; x < picture.columns; x += 1) {
      for (let band = 0; band < picture.bands; band += 1) {
        const loud = mel[x * picture.bands + band] / 255;
        const pixel = 4 * ((picture.bands - 1 - band) * picture.columns + x);
        for (let c = 0; c < 3; c += 1) image.data[pixel + c] = paper[c] + (ink[c] - paper[c]) * loud;
        image.data[pixel + 3] = 255;
      }
    }
    const canvas = document.createElement("canvas");
    canvas.width = picture.columns;
    canvas.height = picture.bands;
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  #x(one, state) {
    return Math.min(one.width, ((state * one.picture.state_seconds) / one.picture.seconds) * one.width);
  }

  /* The attention of a word: a hill from the bottom, and, of the word that is chosen, shade over all its height. */
  #hill(context, one, i, chosen) {
    const { states } = one.picture;
    const row = one.weights.subarray(i * states, (i + 1) * states);
    const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
    const ink = (alpha) => `hsl(${hue(i)} 85% ${dark ? 62 : 42}% / ${alpha})`;
    const quiet = chosen !== null && chosen !== i;
    if (i === chosen) {
      row.forEach((weight, state) => {
        context.fillStyle = ink((0.4 * weight) / 255);
        context.fillRect(this.#x(one, state), 0, this.#x(one, state + 1) - this.#x(one, state), HEIGHT);
      });
    }
    context.beginPath();
    context.moveTo(0, HEIGHT);
    row.forEach((weight, state) => context.lineTo(this.#x(one, state + 0.5), HEIGHT - (weight / 255) * (HEIGHT * 0.86)));
    context.lineTo(one.width, HEIGHT);
    context.fillStyle = ink(quiet ? 0.06 : 0.22);
    context.fill();
    context.lineWidth = i === chosen ? 2.5 : 1.5;
    context.strokeStyle = ink(quiet ? 0.3 : 0.95);
    context.stroke();
  }

  /* Each label under the peak of its hill, in the first row where there is room. */
  #place(one) {
    const context = one.canvas.getContext("2d");
    context.font = FONT;
    const ends = []; // of rows, in pixels
    one.labels.forEach((label, i) => {
      const { states } = one.picture;
      const row = one.weights.subarray(i * states, (i + 1) * states);
      const peak = row.indexOf(Math.max(...row));
      const width = context.measureText(label.textContent).width + 14;
      const left = Math.max(0, Math.min(one.width - width, this.#x(one, peak + 0.5) - width / 2));
      let line = ends.findIndex((end) => end + 3 <= left);
      if (line < 0) line = ends.length;
      ends[line] = left + width;
      label.style.left = `${left}px`;
      label.style.width = `${width}px`;
      label.style.top = `${HEIGHT + 5 + line * LABEL_ROW}px`;
    });
    one.sheet.style.height = `${HEIGHT + 8 + ends.length * LABEL_ROW}px`;
    one.head.style.height = `${HEIGHT}px`;
  }
}
