// The tasks of one step as a strip of cells. Where there are more tasks than cells, a cell stands for several and shows
// each of their states: what failed is never too small to be seen. A cell opens: first a closer look, then the task.
// The farm answers it from marks (`GET /jobs/{id}/strip`), so a million tasks are drawn as quickly as a hundred.

import { get } from "./api.js";
import { h, replace } from "./dom.js";
import { number, plural } from "./format.js";
import { complain } from "./notices.js";
import { cellAt, columnsIn, paint, WORST_FIRST } from "./strip_cells.js";

const MOST_LINES = 8;
const MOST_PARTS = 40;

/**
 * job: its id. step: { index, name, count }. onRange(range | null): a closer look is wanted at tasks
 * [range.first, range.last); the page keeps it in its URL and gives it back by `look`. onTask(id).
 */
export class Strip {
  constructor({ job, step, onRange, onTask }) {
    Object.assign(this, { job, step, onRange, onTask });
    this.count = step.count;
    this.range = null;
    /** What was read: { buckets, base, first, size }, `size` tasks in each cell from task `first` on. */
    this.shown = null;
    /** The cell where the keyboard is. */
    this.here = 0;
    this.latest = 0;
    this.wide = 0;
    this.canvas = slider(step);
    this.hint = h("p", { class: "faint hint" });
    this.title = h("p", { class: "strip-title" });
    this.element = h("div", { class: "strip-of" }, this.title, this.canvas, this.hint);
    this.keys = this.keyMap();
    this.listen();
  }

  get columns() {
    return columnsIn(this.element.clientWidth);
  }

  get bounds() {
    return this.range ?? { first: 0, last: this.count };
  }

  // ---- what the page says

  /** The farm has news. */
  refresh(count) {
    this.count = count;
    return this.read();
  }

  look(next) {
    if (next?.first === this.range?.first && next?.last === this.range?.last) return;
    this.range = next;
    this.read().catch(complain);
  }

  close() {
    this.latest = -1;
    this.resized.disconnect();
    document.removeEventListener("themechange", this.onTheme);
  }

  // ---- reading and drawing

  async read() {
    if (!this.element.clientWidth || !this.count) return;
    const mine = (this.latest += 1);
    const { first, last } = this.bounds;
    const size = Math.ceil((last - first) / (this.columns * MOST_LINES));
    try {
      const found = await parts(this.job, this.step.index, first, last, size);
      if (mine !== this.latest) return;
      this.shown = { ...found, first, size };
      this.here = Math.min(this.here, this.shown.buckets.length - 1);
      this.draw();
    } catch (error) {
      if (this.shown === null) this.hint.textContent = error.message;
    }
  }

  draw() {
    if (!this.shown || !this.element.clientWidth) return;
    const { canvas, step, shown } = this;
    paint(canvas, shown.buckets, this.columns, document.activeElement === canvas ? this.here : -1);
    const all = inWords(sum(shown.buckets));
    const part = partInWords(this.range, this.count);
    replace(this.title, h("strong", {}, step.name), h("span", { class: "faint" }, ` ${part}: ${all}`), this.range && this.buttons());
    canvas.setAttribute("aria-label", `${step.name}, ${part}: ${all}. Arrow keys move, Enter opens, Escape shows all, f goes to the next failure.`);
    canvas.setAttribute("aria-valuemax", shown.buckets.length);
    this.say(this.here);
  }

  /** Along the tasks, at the same closeness. */
  buttons() {
    const { first, last } = this.range;
    const length = last - first;
    const go = (to) => () => this.onRange({ first: to, last: Math.min(this.count, to + length) });
    return h(
      "span",
      { class: "buttons" },
      h("button", { "aria-label": "Earlier tasks", disabled: first === 0, onclick: go(Math.max(0, first - length)) }, "‹"),
      h("button", { "aria-label": "Later tasks", disabled: last >= this.count, onclick: go(Math.min(this.count - length, last)) }, "›"),
      h("button", { onclick: () => this.onRange(null) }, "Show all"),
    );
  }

  /** What a cell stands for, to the eye and to a screen reader. */
  say(at) {
    const { shown, canvas } = this;
    const bucket = shown.buckets[at];
    if (!bucket) return;
    const text = bucketInWords(bucket, shown.first + at * shown.size);
    canvas.setAttribute("aria-valuenow", at + 1);
    canvas.setAttribute("aria-valuetext", text);
    canvas.title = text;
    this.hint.textContent = shown.size > 1 ? `${text}. Click for a closer look.` : text;
  }

  // ---- what a person does

  /** Never fewer tasks than there are cells: around what was clicked is more to see. */
  open(at) {
    const { shown, count } = this;
    if (!shown?.buckets[at]) return;
    const first = shown.first + at * shown.size;
    if (shown.size === 1) return this.onTask(String(shown.base + first));
    const length = Math.min(count, Math.max(shown.size, this.columns * MOST_LINES));
    const from = Math.max(0, Math.min(count - length, Math.floor(first + shown.size / 2 - length / 2)));
    this.onRange({ first: from, last: from + length });
  }

  move(to) {
    this.here = Math.max(0, Math.min(this.shown.buckets.length - 1, to));
    this.draw();
  }

  nextFailure() {
    const { buckets } = this.shown;
    const order = [...buckets.keys()].map((at) => (this.here + 1 + at) % buckets.length);
    const found = order.find((at) => buckets[at].failed);
    if (found !== undefined) this.move(found);
  }

  keyMap() {
    return {
      ArrowRight: () => this.move(this.here + 1),
      ArrowLeft: () => this.move(this.here - 1),
      ArrowDown: () => this.move(this.here + this.columns),
      ArrowUp: () => this.move(this.here - this.columns),
      Home: () => this.move(0),
      End: () => this.move(this.shown.buckets.length - 1),
      Enter: () => this.open(this.here),
      " ": () => this.open(this.here),
      f: () => this.nextFailure(),
      Escape: () => this.range && this.onRange(null),
    };
  }

  listen() {
    const { canvas } = this;
    this.onTheme = () => this.draw();
    canvas.addEventListener("keydown", (event) => this.onKey(event));
    canvas.addEventListener("mousemove", (event) => this.shown && this.say(cellAt(event, this.columns)));
    canvas.addEventListener("click", (event) => this.onClick(cellAt(event, this.columns)));
    for (const name of ["focus", "blur"]) canvas.addEventListener(name, () => this.draw());
    document.addEventListener("themechange", this.onTheme);
    this.resized = new ResizeObserver(() => this.onResize());
    this.resized.observe(this.element);
  }

  onKey(event) {
    if (!this.shown || !(event.key in this.keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.keys[event.key]();
  }

  onClick(at) {
    if (!this.shown?.buckets[at]) return;
    this.here = at;
    this.open(at);
  }

  onResize() {
    if (this.element.clientWidth === this.wide) return;
    this.wide = this.element.clientWidth;
    this.shown ? this.draw() : this.read();
  }
}

/** What it says while its first answer is on the way, too: a slider without a name or a value keeps readers out. */
const slider = (step) =>
  h("canvas", {
    class: "strip", role: "slider", tabindex: "0", "aria-label": `${step.name}, ${plural(step.count, "task")}`,
    "aria-valuemin": 1, "aria-valuenow": 1, "aria-valuemax": 1, "aria-valuetext": "Being read",
  });

/** Where much has failed the farm answers in parts. */
async function parts(job, step, first, last, size) {
  const buckets = [];
  let base = 0;
  let next = first;
  for (let part = 0; next !== null && part < MOST_PARTS; part += 1) {
    const answer = await get(`/jobs/${job}/strip?${new URLSearchParams({ step, first: next, last, size })}`);
    base = Number(answer.first_task) - answer.first;
    buckets.push(...answer.buckets);
    next = answer.next;
  }
  return { buckets, base };
}

function sum(buckets) {
  const counts = {};
  for (const bucket of buckets) for (const [word, count] of Object.entries(bucket)) counts[word] = (counts[word] ?? 0) + count;
  return counts;
}

const inWords = (counts) =>
  WORST_FIRST.filter((word) => counts[word]).map((word) => `${number(counts[word])} ${word}`).join(", ");

function partInWords(range, count) {
  if (!range) return plural(count, "task");
  return `${plural(range.last - range.first, "task")}, ${number(range.first + 1)} to ${number(range.last)} of ${number(count)}`;
}

/** first: the index of its first task. */
function bucketInWords(bucket, first) {
  const many = Object.values(bucket).reduce((all, one) => all + one, 0);
  if (many === 1) return `Task ${number(first + 1)}: ${Object.keys(bucket)[0]}`;
  return `Tasks ${number(first + 1)} to ${number(first + many)}: ${inWords(bucket)}`;
}
