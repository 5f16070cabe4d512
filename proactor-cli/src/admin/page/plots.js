// Plots of the last hour: lines over time, with a cursor that all of them share.

const TONES = 8;
const LEFT = 52, BOTTOM = 18, TOP = 6, RIGHT = 4;

/** Numbers as people read them: 1.2 k, 3.4 MiB, 250 µs. */
export const show = {
  count: (value) => scaled(value, ["", " k", " M", " G"], 1000),
  rate: (value) => `${scaled(value, ["", " k", " M", " G"], 1000)}/s`,
  bytes: (value) => scaled(value, [" B", " KiB", " MiB", " GiB", " TiB"], 1024),
  byteRate: (value) => `${show.bytes(value)}/s`,
  time: (value) => (value === 0 ? "0" : value < 1e-3 ? `${digits(value * 1e6)} µs` : value < 1 ? `${digits(value * 1e3)} ms` : `${digits(value)} s`),
};

function scaled(value, units, step) {
  let unit = 0;
  while (value >= step * 0.9995 && unit + 1 < units.length) {
    value /= step;
    unit += 1;
  }
  return digits(value) + units[unit];
}

function digits(value) {
  if (value === 0) return "0";
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1).replace(/\.0$/, "") : value.toFixed(2).replace(/\.?0+$/, "");
}

/** The next round number. */
function roundUp(value, base) {
  if (!(value > 0)) return 1;
  const step = base === 1024 ? 1024 ** Math.floor(Math.log(value) / Math.log(1024)) : 1;
  const scale = 10 ** Math.floor(Math.log10(value / step));
  const rounded = [1, 2, 5, 10].find((factor) => factor * scale >= value / step);
  return rounded * scale * step;
}

/** One plot. `lines` gives from the history [[name, numbers], …]. */
class Plot {
  constructor(board, { title, unit, lines, least = 0 }) {
    Object.assign(this, { board, title, unit, lines, least });
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    const heading = document.createElement("h3");
    heading.textContent = title;
    this.output = document.createElement("output");
    const caption = document.createElement("figcaption");
    caption.append(heading, this.output);
    this.key = document.createElement("ol");
    this.key.className = "key";
    this.figure = document.createElement("figure");
    this.figure.append(caption, this.canvas, this.key);
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerdown", (event) => this.point(event));
    this.canvas.addEventListener("pointerleave", () => board.point(undefined));
    this.canvas.addEventListener("blur", () => board.point(undefined));
    this.canvas.addEventListener("keydown", (event) => this.move(event));
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const part = (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT);
    this.board.point(Math.round(this.board.from + part * (this.board.upto - this.board.from)));
  }

  move(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === "Escape") this.board.point(undefined);
    if (steps === undefined || !this.board.length) return;
    event.preventDefault();
    this.board.point((this.board.cursor ?? this.board.upto) + steps);
  }

  draw() {
    const { board, canvas } = this;
    const ratio = devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width) return;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const lines = this.lines(board.history).filter(([, numbers]) => numbers?.length);
    let most = this.least;
    for (const [, numbers] of lines) {
      for (let at = board.from; at <= board.upto; at += 1) most = Math.max(most, numbers[at] ?? 0);
    }
    most = roundUp(most, this.unit === "bytes" || this.unit === "byteRate" ? 1024 : 1000);
    const x = (at) => LEFT + ((at - board.from) / Math.max(board.upto - board.from, 1)) * (width - LEFT - RIGHT);
    const y = (value) => TOP + (1 - value / most) * (height - TOP - BOTTOM);
    this.frame(pen, { width, height, most, x, y });
    lines.forEach(([, numbers], line) => {
      pen.strokeStyle = board.colour(`--tone-${line % TONES}`);
      pen.lineWidth = 1.5;
      pen.lineJoin = "round";
      pen.beginPath();
      for (let at = board.from; at <= board.upto; at += 1) {
        if (numbers[at] === undefined) continue;
        pen.lineTo(x(at), y(numbers[at]));
      }
      pen.stroke();
    });
    this.tell(pen, lines, { height, x, y });
  }

  frame(pen, { width, height, most, x, y }) {
    const { board } = this;
    pen.font = "11px system-ui, sans-serif";
    pen.fillStyle = board.colour("--soft");
    pen.strokeStyle = board.colour("--line");
    pen.lineWidth = 1;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const part of [0, 0.5, 1]) {
      const level = Math.round(y(most * part)) + 0.5;
      pen.beginPath();
      pen.moveTo(LEFT, level);
      pen.lineTo(width - RIGHT, level);
      pen.stroke();
      pen.fillText(show[this.unit](most * part).split("/")[0], LEFT - 6, level);
    }
    pen.textBaseline = "bottom";
    const times = [board.from, Math.round((board.from + board.upto) / 2), board.upto];
    ["left", "center", "right"].forEach((align, place) => {
      const time = board.history.time[times[place]];
      if (time === undefined) return;
      pen.textAlign = align;
      pen.fillText(clock(time), x(times[place]), height);
    });
  }

  /** What is at the cursor, or now: in the key, and for those who do not see the plot. */
  tell(pen, lines, { height, x, y }) {
    const { board } = this;
    const at = board.cursor ?? board.upto;
    if (board.cursor !== undefined) {
      pen.strokeStyle = board.colour("--soft");
      pen.beginPath();
      pen.moveTo(x(at), TOP);
      pen.lineTo(x(at), height - BOTTOM);
      pen.stroke();
      lines.forEach(([, numbers], line) => {
        if (numbers[at] === undefined) return;
        pen.fillStyle = board.colour(`--tone-${line % TONES}`);
        pen.beginPath();
        pen.arc(x(at), y(numbers[at]), 3, 0, 2 * Math.PI);
        pen.fill();
      });
    }
    const time = board.history.time[at];
    this.output.textContent = board.cursor === undefined || time === undefined ? "" : clock(time, true);
    const texts = lines.map(([name, numbers]) => `${name} ${show[this.unit](numbers[at] ?? 0)}`);
    this.key.replaceChildren(...texts.map((text, line) => {
      const item = document.createElement("li");
      item.className = `tone-${line % TONES}`;
      item.textContent = text;
      return item;
    }));
    const when = time === undefined ? "" : ` at ${clock(time, true)}`;
    this.canvas.setAttribute("aria-label", `${this.title}${when}: ${texts.join(", ") || "nothing"}`);
  }
}

function clock(time, exact = false) {
  const seconds = exact ? { second: "2-digit" } : {};
  return new Date(time * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", ...seconds });
}

/** All plots, with the history that they show. */
export class Board {
  constructor(place, plots) {
    this.history = { time: [], refused: {}, closed: {} };
    this.span = 300;
    this.cursor = undefined;
    this.colours = new Map();
    this.plots = plots.map((plot) => new Plot(this, plot));
    place.append(...this.plots.map((plot) => plot.figure));
    new ResizeObserver(() => this.draw()).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.colours.clear();
      this.draw();
    });
  }

  get length() { return this.history.time.length; }
  get upto() { return Math.max(this.length - 1, 0); }
  get from() { return Math.max(this.length - Math.ceil(this.span / (this.history.step_seconds ?? 2)), 0); }

  colour(name) {
    if (!this.colours.has(name)) {
      this.colours.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
    }
    return this.colours.get(name);
  }

  point(at) {
    const before = this.cursor;
    this.cursor = at === undefined || !this.length ? undefined : Math.min(Math.max(at, this.from), this.upto);
    if (this.cursor !== before) this.draw();
  }

  show(span) {
    this.span = span;
    this.cursor = undefined;
    this.draw();
  }

  /** Adds the moments that have come. */
  add(columns, most = 1800) {
    const { history } = this;
    const before = history.time.length, more = columns.time.length;
    const join = (old = [], add = []) => {
      const whole = old.concat(Array(before - old.length).fill(0), add, Array(more - add.length).fill(0));
      return whole.slice(-most);
    };
    const joined = { step_seconds: columns.step_seconds };
    for (const name of Object.keys(columns)) {
      if (Array.isArray(columns[name])) joined[name] = join(history[name], columns[name]);
    }
    for (const reasons of ["refused", "closed"]) {
      const names = new Set([...Object.keys(history[reasons]), ...Object.keys(columns[reasons])]);
      joined[reasons] = {};
      for (const name of names) {
        const numbers = join(history[reasons][name], columns[reasons][name]);
        if (numbers.some((number) => number > 0)) joined[reasons][name] = numbers;
      }
    }
    const lost = before + more - joined.time.length;
    if (this.cursor !== undefined) this.cursor = Math.max(this.cursor - lost, 0);
    this.history = joined;
    this.draw();
  }

  clear() {
    this.history = { time: [], refused: {}, closed: {} };
    this.cursor = undefined;
  }

  draw() {
    this.plots.forEach((plot) => plot.draw());
  }
}
