// The tasks of one step as a strip of cells. Where there are more tasks than cells, a cell stands for several and shows
// each of their states: what failed is never too small to be seen. A cell opens: first a closer look, then the task.
// The farm answers it from marks (`GET /jobs/{id}/strip`), so a million tasks are drawn as quickly as a hundred.

import { get } from "./api.js";
import { h, replace } from "./dom.js";
import { number, plural } from "./format.js";
import { complain } from "./notices.js";

export const WORST_FIRST = ["failed", "active", "canceled", "queued", "waiting", "paused", "completed"];
const COLOURS = {
  failed: "--bar-failed", active: "--bar-active", canceled: "--bar-canceled", queued: "--bar-queued",
  waiting: "--bar-waiting", paused: "--bar-paused", completed: "--bar-completed",
};
const CELL = 13;
const GAP = 2;
const STRIDE = CELL + GAP;
const LEAST_SEEN = 4;
const MOST_LINES = 8;
const MOST_PARTS = 40;

/**
 * job: its id. step: { index, name, count }. onRange(range | null): a closer look is wanted at tasks
 * [range.first, range.last); the page keeps it in its URL and gives it back by `look`. onTask(id).
 */
export function strip({ job, step, onRange, onTask }) {
  // What it says while its first answer is on the way, too: a slider without a name or a value keeps readers out.
  const canvas = h("canvas", {
    class: "strip", role: "slider", tabindex: "0", "aria-label": `${step.name}, ${plural(step.count, "task")}`,
    "aria-valuemin": 1, "aria-valuenow": 1, "aria-valuemax": 1, "aria-valuetext": "Being read",
  });
  const hint = h("p", { class: "faint hint" });
  const title = h("p", { class: "strip-title" });
  const element = h("div", { class: "strip-of" }, title, canvas, hint);
  let count = step.count;
  let range = null;
  let shown = null;
  let here = 0;
  let latest = 0;

  const columns = () => Math.max(1, Math.floor((element.clientWidth + GAP) / STRIDE));
  const bounds = () => range ?? { first: 0, last: count };

  async function read() {
    if (!element.clientWidth || !count) return;
    const mine = (latest += 1);
    const { first, last } = bounds();
    const size = Math.ceil((last - first) / (columns() * MOST_LINES));
    try {
      const found = await parts(job, step.index, first, last, size);
      if (mine !== latest) return;
      shown = { ...found, first, size };
      here = Math.min(here, shown.buckets.length - 1);
      draw();
    } catch (error) {
      if (shown === null) hint.textContent = error.message;
    }
  }

  function draw() {
    if (!shown || !element.clientWidth) return;
    paint(canvas, shown.buckets, columns(), document.activeElement === canvas ? here : -1);
    const { first, last } = bounds();
    const all = inWords(sum(shown.buckets));
    const part = range ? `${plural(last - first, "task")}, ${number(first + 1)} to ${number(last)} of ${number(count)}` : plural(count, "task");
    replace(title, h("strong", {}, step.name), h("span", { class: "faint" }, ` ${part}: ${all}`), range && buttons());
    canvas.setAttribute("aria-label", `${step.name}, ${part}: ${all}. Arrow keys move, Enter opens, Escape shows all, f goes to the next failure.`);
    canvas.setAttribute("aria-valuemax", shown.buckets.length);
    say(here);
  }

  function buttons() {
    const { first, last } = range;
    const length = last - first;
    const go = (to) => () => onRange({ first: to, last: Math.min(count, to + length) });
    return h(
      "span",
      { class: "buttons" },
      h("button", { "aria-label": "Earlier tasks", disabled: first === 0, onclick: go(Math.max(0, first - length)) }, "‹"),
      h("button", { "aria-label": "Later tasks", disabled: last >= count, onclick: go(Math.min(count - length, last)) }, "›"),
      h("button", { onclick: () => onRange(null) }, "Show all"),
    );
  }

  function say(at) {
    const bucket = shown.buckets[at];
    if (!bucket) return;
    const first = shown.first + at * shown.size;
    const many = Object.values(bucket).reduce((all, one) => all + one, 0);
    const text = many === 1 ? `Task ${number(first + 1)}: ${Object.keys(bucket)[0]}` : `Tasks ${number(first + 1)} to ${number(first + many)}: ${inWords(bucket)}`;
    canvas.setAttribute("aria-valuenow", at + 1);
    canvas.setAttribute("aria-valuetext", text);
    canvas.title = text;
    hint.textContent = shown.size > 1 ? `${text}. Click for a closer look.` : text;
  }

  /** Never fewer tasks than there are cells: around what was clicked is more to see. */
  function open(at) {
    const bucket = shown?.buckets[at];
    if (!bucket) return;
    const first = shown.first + at * shown.size;
    if (shown.size === 1) return onTask(String(shown.base + first));
    const length = Math.min(count, Math.max(shown.size, columns() * MOST_LINES));
    const from = Math.max(0, Math.min(count - length, Math.floor(first + shown.size / 2 - length / 2)));
    onRange({ first: from, last: from + length });
  }

  function move(to) {
    here = Math.max(0, Math.min(shown.buckets.length - 1, to));
    draw();
  }

  function nextFailure() {
    const order = [...shown.buckets.keys()].map((at) => (here + 1 + at) % shown.buckets.length);
    const found = order.find((at) => shown.buckets[at].failed);
    if (found !== undefined) move(found);
  }

  const KEYS = {
    ArrowRight: () => move(here + 1),
    ArrowLeft: () => move(here - 1),
    ArrowDown: () => move(here + columns()),
    ArrowUp: () => move(here - columns()),
    Home: () => move(0),
    End: () => move(shown.buckets.length - 1),
    Enter: () => open(here),
    " ": () => open(here),
    f: nextFailure,
    Escape: () => range && onRange(null),
  };
  canvas.addEventListener("keydown", (event) => {
    if (!shown || !(event.key in KEYS) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  const at = (event) => {
    const [column, line] = [event.offsetX, event.offsetY].map((pixels) => Math.floor(pixels / STRIDE));
    return column < columns() ? line * columns() + column : -1;
  };
  canvas.addEventListener("mousemove", (event) => shown && say(at(event)));
  canvas.addEventListener("click", (event) => {
    if (!shown?.buckets[at(event)]) return;
    here = at(event);
    open(here);
  });
  for (const name of ["focus", "blur"]) canvas.addEventListener(name, draw);
  let wide = 0;
  const resized = new ResizeObserver(() => {
    if (element.clientWidth === wide) return;
    wide = element.clientWidth;
    shown ? draw() : read();
  });
  resized.observe(element);
  document.addEventListener("themechange", draw);
  return {
    element,
    /** The farm has news. */
    refresh(now) {
      count = now;
      return read();
    },
    look(next) {
      if (next?.first === range?.first && next?.last === range?.last) return;
      range = next;
      read().catch(complain);
    },
    close() {
      latest = -1;
      resized.disconnect();
      document.removeEventListener("themechange", draw);
    },
  };
}

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

function paint(canvas, buckets, columns, marked) {
  const scale = window.devicePixelRatio || 1;
  const height = Math.ceil(buckets.length / columns) * STRIDE;
  canvas.width = columns * STRIDE * scale;
  canvas.height = height * scale;
  canvas.style.width = `${columns * STRIDE}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  const colours = Object.fromEntries(Object.entries(COLOURS).map(([word, name]) => [word, style.getPropertyValue(name)]));
  context.scale(scale, scale);
  buckets.forEach((bucket, at) => {
    const [x, y] = [(at % columns) * STRIDE, Math.floor(at / columns) * STRIDE];
    let top = y;
    for (const [word, tall] of slices(bucket)) {
      context.fillStyle = colours[word];
      context.fillRect(x, top, CELL, tall);
      top += tall;
    }
    if (at !== marked) return;
    context.strokeStyle = style.getPropertyValue("--text");
    context.lineWidth = 2;
    context.strokeRect(x + 1, y + 1, CELL - 2, CELL - 2);
  });
}

/** How tall each state stands in a cell: by its share, but what needs to be seen is never too small for that. */
function slices(bucket) {
  const words = WORST_FIRST.filter((word) => bucket[word]);
  const all = words.reduce((sum, word) => sum + bucket[word], 0);
  const tall = words.map((word) => Math.max(word === "failed" || word === "active" ? LEAST_SEEN : 1, Math.round((CELL * bucket[word]) / all)));
  tall[tall.indexOf(Math.max(...tall))] += CELL - tall.reduce((sum, one) => sum + one, 0);
  return words.map((word, at) => [word, tall[at]]);
}

function sum(buckets) {
  const counts = {};
  for (const bucket of buckets) for (const [word, count] of Object.entries(bucket)) counts[word] = (counts[word] ?? 0) + count;
  return counts;
}

const inWords = (counts) =>
  WORST_FIRST.filter((word) => counts[word]).map((word) => `${number(counts[word])} ${word}`).join(", ");
