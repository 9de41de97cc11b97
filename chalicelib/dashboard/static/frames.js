// Frames as they are written, "1-250, 300, 310-320x2", as far as a preview needs. The farm decides what is right.

const PART = /^(-?\d+)(?:-(-?\d+)(?:x(\d+))?)?$/;
const MOST_COUNTED = 1_000_000;

/** { count, first: [up to 6 frames], last } or { problem }. */
export function preview(text) {
  let count = 0;
  const first = [];
  let last = null;
  for (const part of text.split(",").map((piece) => piece.trim()).filter(Boolean)) {
    const match = PART.exec(part);
    if (!match) return { problem: `“${part}” is not a frame or a range such as 1-250 or 1-250x5` };
    const from = Number(match[1]);
    const to = Number(match[2] ?? match[1]);
    const step = Number(match[3] ?? 1);
    if (to < from || step < 1) return { problem: `“${part}” has no frames` };
    const frames = Math.floor((to - from) / step) + 1;
    count += frames;
    if (count > MOST_COUNTED) return { problem: "more than a million frames" };
    for (let index = 0; index < frames && first.length < 6; index += 1) first.push(from + index * step);
    last = from + (frames - 1) * step;
  }
  return { count, first, last };
}
