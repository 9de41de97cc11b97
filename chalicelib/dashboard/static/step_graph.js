// The steps of a job and which of them wait for which, drawn from left to right.

import { svg } from "./dom.js";
import { number } from "./format.js";

const WIDTH = 200;
const HEIGHT = 46;
const GAP_X = 44;
const GAP_Y = 14;

/** steps: with `parents`, indices in the list, of which `trails` is the one that is followed frame by frame. */
export function stepGraph(steps) {
  const columns = placed(steps);
  const where = new Map();
  columns.forEach((column, x) => column.forEach((step, y) => where.set(step, [x * (WIDTH + GAP_X), y * (HEIGHT + GAP_Y)])));
  const width = columns.length * (WIDTH + GAP_X) - GAP_X;
  const height = Math.max(...columns.map((column) => column.length)) * (HEIGHT + GAP_Y) - GAP_Y;
  return svg(
    "svg",
    { class: "steps", width: width + 2, height: height + 2, viewBox: `-1 -1 ${width + 2} ${height + 2}`, role: "img", "aria-label": inWords(steps) },
    steps.flatMap((_, index) => steps[index].parents.map((parent) => arrow(where.get(parent), where.get(index), steps[index].trails === parent))),
    steps.map((step, index) => box(step, where.get(index))),
  );
}

/** Each step stands one column after the last of its parents, and then as near to its first child as it can. */
function placed(steps) {
  const column = [];
  steps.forEach((step, index) => {
    column[index] = Math.max(-1, ...step.parents.map((parent) => column[parent])) + 1;
  });
  steps.forEach((_, index) => {
    const children = steps.flatMap((step, child) => (step.parents.includes(index) ? [column[child]] : []));
    if (children.length) column[index] = Math.min(...children) - 1;
  });
  const columns = [];
  steps.forEach((_, index) => (columns[column[index]] ??= []).push(index));
  return columns;
}

function box(step, [x, y]) {
  const state = step.failed ? "failed" : step.status;
  return svg(
    "g",
    { class: `step is-${state}` },
    svg("rect", { x, y, width: WIDTH, height: HEIGHT, rx: 8 }),
    svg("text", { x: x + 12, y: y + 19, class: "step-name" }, short(step.name)),
    svg("text", { x: x + 12, y: y + 36, class: "step-state" }, said(step)),
  );
}

/** Dashed where frame follows frame: the later step does not wait for the whole earlier one. */
function arrow([fromX, fromY], [toX, toY], frameByFrame) {
  const [x1, y1, x2, y2] = [fromX + WIDTH, fromY + HEIGHT / 2, toX, toY + HEIGHT / 2];
  const bend = GAP_X / 2;
  const line = frameByFrame ? { "stroke-dasharray": "5 4" } : {};
  return svg("path", { class: "arrow", d: `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2} m-6,-4 l6,4 l-6,4`, ...line });
}

const short = (text) => (text.length > 24 ? `${text.slice(0, 23)}…` : text);

function said(step) {
  if (!step.count) return step.status;
  return `${number(step.completed)} of ${number(step.count)}${step.failed ? `, ${number(step.failed)} failed` : ""}`;
}

function inWords(steps) {
  const one = (step) => {
    const after = step.parents.map((parent) => steps[parent].name + (step.trails === parent ? " frame by frame" : "")).join(", ");
    return `${step.name}: ${said(step)}${after ? `, after ${after}` : ""}`;
  };
  return `Steps. ${steps.map(one).join(". ")}.`;
}
