// Tasks as a strip of coloured cells. Where there are more tasks than cells, a cell stands for several, and shows the
// one that most needs to be seen: a failure among thousands is not averaged away.

import { h } from "./dom.js";
import { number, plural } from "./format.js";

const WORST_FIRST = ["failed", "active", "canceled", "queued", "waiting", "paused", "completed"];
const COLOURS = {
  failed: "--bar-failed", active: "--bar-active", canceled: "--bar-canceled", queued: "--bar-queued",
  waiting: "--bar-back", paused: "--bar-queued", completed: "--bar-completed",
};
const CELL = 12;
const GAP = 2;
const MOST_LINES = 8;

/** onOpen(task): for a click on a cell. The same is reachable by keyboard in the table of tasks. */
export function strip(onOpen) {
  const canvas = h("canvas", { class: "strip", role: "img" });
  const hint = h("p", { class: "faint hint", "aria-hidden": "true" });
  let tasks = [];
  let layout = { columns: 1, perCell: 1 };

  const draw = () => {
    const width = canvas.parentElement?.clientWidth ?? 0;
    if (!width || !tasks.length) return;
    const columns = Math.max(1, Math.floor((width + GAP) / (CELL + GAP)));
    const perCell = Math.ceil(tasks.length / (columns * MOST_LINES));
    const lines = Math.ceil(Math.ceil(tasks.length / perCell) / columns);
    layout = { columns, perCell };
    const scale = window.devicePixelRatio || 1;
    canvas.width = width * scale;
    canvas.height = lines * (CELL + GAP) * scale;
    canvas.style.height = `${lines * (CELL + GAP)}px`;
    paint(canvas, tasks, layout, scale);
    canvas.setAttribute("aria-label", inWords(tasks));
    hint.textContent = perCell > 1 ? `One cell stands for ${number(perCell)} tasks, in the colour of its worst.` : "";
  };
  const at = (event) => {
    const [column, line] = [event.offsetX, event.offsetY].map((pixels) => Math.floor(pixels / (CELL + GAP)));
    const first = (line * layout.columns + column) * layout.perCell;
    return worst(tasks.slice(first, first + layout.perCell));
  };
  canvas.addEventListener("mousemove", (event) => {
    const task = at(event);
    canvas.title = task ? `${task.name}: ${task.status}` : "";
  });
  canvas.addEventListener("click", (event) => {
    const task = at(event);
    if (task) onOpen(task);
  });
  const resized = new ResizeObserver(draw);
  const element = h("div", {}, canvas, hint);
  resized.observe(element);
  document.addEventListener("themechange", draw);
  return {
    element,
    show(list) {
      tasks = list;
      draw();
    },
    close() {
      resized.disconnect();
      document.removeEventListener("themechange", draw);
    },
  };
}

function paint(canvas, tasks, { columns, perCell }, scale) {
  const context = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  const colours = Object.fromEntries(Object.entries(COLOURS).map(([word, name]) => [word, style.getPropertyValue(name)]));
  context.scale(scale, scale);
  for (let cell = 0; cell * perCell < tasks.length; cell += 1) {
    const task = worst(tasks.slice(cell * perCell, (cell + 1) * perCell));
    context.fillStyle = colours[task.status];
    context.fillRect((cell % columns) * (CELL + GAP), Math.floor(cell / columns) * (CELL + GAP), CELL, CELL);
  }
}

const worst = (some) =>
  some.reduce((a, b) => (WORST_FIRST.indexOf(b.status) < WORST_FIRST.indexOf(a.status) ? b : a), some[0]);

function inWords(tasks) {
  const counts = {};
  for (const task of tasks) counts[task.status] = (counts[task.status] ?? 0) + 1;
  const said = WORST_FIRST.filter((word) => counts[word]).map((word) => `${number(counts[word])} ${word}`);
  return `${plural(tasks.length, "task")}: ${said.join(", ")}`;
}
