/* Pictures of the attention: for each segment the log-mel spectrogram, and over it one curve per word. */

const PIXELS_PER_SECOND = 120;
const HEIGHT = 170; // of the spectrogram, px
const PEAK = 0.86; // of the height, for the highest point of a curve
const LABEL_ROW = 24; // px
const LABEL_PADDING = 14; // px, both sides together
const LABEL_GAP = 3; // px
const FONT = "12px system-ui, sans-serif"; // of the labels
const MARGIN = 60; // px between the playing position and the edge of the visible part

const decodeBytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

/* Steps of the golden angle: neighbours get hues far apart. */
const hue = (index) => (205 + index * 137.5) % 360;

function isDark() {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
}

/* The red, green and blue of a class of the style sheet. */
function styleColour(className) {
  const probe = document.createElement("span");
  probe.className = className;
  document.body.append(probe);
  const channels = getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map(Number);
  probe.remove();
  return channels;
}

function element(name, className, ...children) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...children);
  return made;
}

export class Pictures {
  /* `play` is called with the time (s) of a word, `highlight` with the word under the mouse or null. */
  constructor(place, play, highlight) {
    this.place = place;
    this.play = play;
    this.highlight = highlight;
    this.clear();
  }

  clear() {
    this.place.replaceChildren();
    this.pictures = []; // in the order of the recording
  }

  add(segment) {
    const picture = new Picture(segment, this.play, this.highlight);
    const index = this.pictures.filter((other) => other.segment.start < segment.start).length;
    this.place.insertBefore(picture.figure, this.place.children[index] ?? null);
    this.pictures.splice(index, 0, picture);
    picture.draw();
  }

  draw() {
    this.pictures.forEach((picture) => picture.draw());
  }

  /* Show the playing position, and the word that is played there or null. */
  show(seconds, word) {
    this.pictures.forEach((picture) => picture.show(seconds, word));
  }
}

class Picture {
  constructor(segment, play, highlight) {
    this.segment = segment;
    this.picture = segment.picture;
    this.mel = decodeBytes(segment.picture.mel); // columns x bands
    this.weights = decodeBytes(segment.picture.weights); // words x encoder states
    this.hovered = null; // index of the word under the mouse
    this.playing = null; // index of the word that is played
    this.labels = segment.words.map((word, i) => this.#label(word, i, play, highlight));
    this.#build();
  }

  #build() {
    const { start, end, text } = this.segment;
    const stretch = `${start.toFixed(1)} to ${end.toFixed(1)} s`;
    this.canvas = element("canvas", "");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `Log-mel spectrogram with the attention of ${this.labels.length} words: ${text}`);
    this.position = element("div", "position");
    this.sheet = element("div", "sheet", this.canvas, this.position, ...this.labels);
    this.scroller = element("div", "scroll", this.sheet);
    this.scroller.tabIndex = 0; // arrow keys scroll it
    this.scroller.setAttribute("role", "group");
    this.scroller.setAttribute("aria-label", `Attention, ${stretch}`);
    this.figure = element("figure", "card picture", element("figcaption", "muted small", stretch), this.scroller);
  }

  /* For the mouse only: the keyboard reaches the words in the transcript. */
  #label(word, index, play, highlight) {
    const label = element("button", "label", word.word);
    label.type = "button";
    label.tabIndex = -1;
    label.style.setProperty("--hue", hue(index));
    const hover = (hovered) => () => {
      this.hovered = hovered;
      highlight(hovered === null ? null : word);
      this.draw();
    };
    label.addEventListener("mouseenter", hover(index));
    label.addEventListener("mouseleave", hover(null));
    label.addEventListener("click", () => play(word.start));
    return label;
  }

  show(seconds, word) {
    const inside = seconds >= this.segment.start && seconds < this.segment.end;
    this.position.hidden = !inside;
    if (inside) this.#showPosition(((seconds - this.segment.start) / this.picture.seconds) * this.width);
    const index = word === null ? -1 : this.segment.words.indexOf(word);
    const playing = index < 0 ? null : index;
    if (playing === this.playing) return;
    this.playing = playing;
    this.draw();
  }

  #showPosition(x) {
    this.position.style.left = `${x}px`;
    const { scrollLeft, clientWidth } = this.scroller;
    if (this.width > clientWidth && (x < scrollLeft || x > scrollLeft + clientWidth - MARGIN)) this.scroller.scrollLeft = x - MARGIN;
  }

  draw() {
    const context = this.#resize();
    context.drawImage(this.#spectrogram(), 0, 0, this.width, HEIGHT);
    const chosen = this.hovered ?? this.playing;
    this.picture.words.forEach((_, i) => {
      if (i === chosen) this.#shade(context, i);
      this.#curve(context, i, chosen);
    });
    this.labels.forEach((label, i) => label.classList.toggle("chosen", i === chosen));
    this.#placeLabels(context);
  }

  /* Fit the canvas to the page and the screen, and return its empty context. */
  #resize() {
    const scale = Math.min(2, window.devicePixelRatio || 1);
    this.width = Math.max(this.scroller.clientWidth, Math.round(this.picture.seconds * PIXELS_PER_SECOND));
    this.canvas.width = this.width * scale;
    this.canvas.height = HEIGHT * scale;
    this.sheet.style.width = this.canvas.style.width = `${this.width}px`;
    this.canvas.style.height = this.position.style.height = `${HEIGHT}px`;
    const context = this.canvas.getContext("2d");
    context.scale(scale, scale);
    return context;
  }

  #spectrogram() {
    const dark = isDark();
    if (this.spectrogram?.dark !== dark) this.spectrogram = { dark, canvas: this.#drawSpectrogram() };
    return this.spectrogram.canvas;
  }

  /* One pixel per column and band. Quiet has the colour of the paper, loud that of the ink. */
  #drawSpectrogram() {
    const { columns, bands } = this.picture;
    const [paper, ink] = [styleColour("colour-paper"), styleColour("colour-ink")];
    const image = new ImageData(columns, bands);
    for (let x = 0; x < columns; x += 1) {
      for (let band = 0; band < bands; band += 1) {
        const level = this.mel[x * bands + band] / 255;
        const mixed = paper.map((channel, c) => channel + (ink[c] - channel) * level);
        image.data.set([...mixed, 255], 4 * ((bands - 1 - band) * columns + x));
      }
    }
    const canvas = element("canvas", "");
    [canvas.width, canvas.height] = [columns, bands];
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  /* The weights (0 to 255) of a word over the encoder states. */
  #row(index) {
    return this.weights.subarray(index * this.picture.states, (index + 1) * this.picture.states);
  }

  /* The left edge of an encoder state, px. */
  #x(state) {
    return Math.min(this.width, ((state * this.picture.state_seconds) / this.picture.seconds) * this.width);
  }

  #ink(index, alpha) {
    return `hsl(${hue(index)} 85% ${isDark() ? 62 : 42}% / ${alpha})`;
  }

  /* Shade the states of a word over the whole height. */
  #shade(context, index) {
    this.#row(index).forEach((weight, state) => {
      context.fillStyle = this.#ink(index, (0.4 * weight) / 255);
      context.fillRect(this.#x(state), 0, this.#x(state + 1) - this.#x(state), HEIGHT);
    });
  }

  /* The curve of a word; all others are faint while one is chosen. */
  #curve(context, index, chosen) {
    const faint = chosen !== null && chosen !== index;
    context.beginPath();
    context.moveTo(0, HEIGHT);
    this.#row(index).forEach((weight, state) => context.lineTo(this.#x(state + 0.5), HEIGHT * (1 - (PEAK * weight) / 255)));
    context.lineTo(this.width, HEIGHT);
    context.fillStyle = this.#ink(index, faint ? 0.06 : 0.22);
    context.fill();
    context.lineWidth = index === chosen ? 2.5 : 1.5;
    context.strokeStyle = this.#ink(index, faint ? 0.3 : 0.95);
    context.stroke();
  }

  /* Put each label under the peak of its curve, in the first row with room. */
  #placeLabels(context) {
    context.font = FONT;
    const rowEnds = []; // px
    this.labels.forEach((label, i) => {
      const weights = this.#row(i);
      const peak = this.#x(weights.indexOf(Math.max(...weights)) + 0.5);
      const width = context.measureText(label.textContent).width + LABEL_PADDING;
      const left = Math.max(0, Math.min(this.width - width, peak - width / 2));
      let row = rowEnds.findIndex((end) => end + LABEL_GAP <= left);
      if (row < 0) row = rowEnds.length;
      rowEnds[row] = left + width;
      label.style.left = `${left}px`;
      label.style.width = `${width}px`;
      label.style.top = `${HEIGHT + 5 + row * LABEL_ROW}px`;
    });
    this.sheet.style.height = `${HEIGHT + 8 + rowEnds.length * LABEL_ROW}px`;
  }
}
