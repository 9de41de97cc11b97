// How the cells of a strip look: what stands in each bucket of tasks, painted on a canvas.

export const WORST_FIRST = ["failed", "active", "canceled", "queued", "waiting", "paused", "completed"];
const COLOURS = {
  failed: "--bar-failed", active: "--bar-active", canceled: "--bar-canceled", queued: "--bar-queued",
  waiting: "--bar-waiting", paused: "--bar-paused", completed: "--bar-completed",
};
const CELL = 13;
const GAP = 2;
const STRIDE = CELL + GAP;
const LEAST_SEEN = 4;

/** How many cells fit side by side into so many pixels. */
export const columnsIn = (pixels) => Math.max(1, Math.floor((pixels + GAP) / STRIDE));

/** Which cell is below the pointer; -1: none. */
export function cellAt({ offsetX, offsetY }, columns) {
  const [column, line] = [offsetX, offsetY].map((pixels) => Math.floor(pixels / STRIDE));
  return column < columns ? line * columns + column : -1;
}

/** buckets: of each cell, how many of its tasks are in which status. marked: the cell where the keyboard is; -1: none. */
export function paint(canvas, buckets, columns, marked) {
  const context = sized(canvas, columns * STRIDE, Math.ceil(buckets.length / columns) * STRIDE);
  const style = getComputedStyle(canvas);
  const colours = Object.fromEntries(Object.entries(COLOURS).map(([word, name]) => [word, style.getPropertyValue(name)]));
  buckets.forEach((bucket, at) => {
    const [x, y] = [(at % columns) * STRIDE, Math.floor(at / columns) * STRIDE];
    fill(context, bucket, x, y, colours);
    if (at === marked) frame(context, x, y, style.getPropertyValue("--text"));
  });
}

/** Sharp on screens of any density. Gives what to draw with, in CSS pixels. */
function sized(canvas, width, height) {
  const scale = window.devicePixelRatio || 1;
  canvas.width = width * scale;
  canvas.height = height * scale;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  return context;
}

function fill(context, bucket, x, y, colours) {
  let top = y;
  for (const [word, tall] of slices(bucket)) {
    context.fillStyle = colours[word];
    context.fillRect(x, top, CELL, tall);
    top += tall;
  }
}

function frame(context, x, y, colour) {
  context.strokeStyle = colour;
  context.lineWidth = 2;
  context.strokeRect(x + 1, y + 1, CELL - 2, CELL - 2);
}

/** How tall each state stands in a cell: by its share, but what needs to be seen is never too small for that. */
function slices(bucket) {
  const words = WORST_FIRST.filter((word) => bucket[word]);
  const all = words.reduce((sum, word) => sum + bucket[word], 0);
  const tall = words.map((word) => Math.max(word === "failed" || word === "active" ? LEAST_SEEN : 1, Math.round((CELL * bucket[word]) / all)));
  tall[tall.indexOf(Math.max(...tall))] += CELL - tall.reduce((sum, one) => sum + one, 0);
  return words.map((word, at) => [word, tall[at]]);
}
