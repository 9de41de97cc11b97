// How far a job is, by the state of its tasks: a bar of parts, and the same in words for those who do not see it.

import { h } from "./dom.js";
import { duration, number, seconds } from "./format.js";

const PARTS = ["completed", "failed", "canceled", "active"];
const MOST_BELIEVED_SECONDS = 30 * 24 * 3600;

export const total = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);

export function inWords(job) {
  const said = PARTS.filter((part) => job.counts[part]).map((part) => `${number(job.counts[part])} ${part}`);
  const all = total(job.counts);
  return all ? `${job.progress} %: of ${number(all)} tasks ${said.join(", ") || "none begun"}` : "no tasks yet";
}

/** Later steps have no tasks yet, so the parts share what the job's own progress says, not the whole width. */
export function bar(job) {
  const { completed, failed, canceled, active } = job.counts;
  const ended = completed + failed + canceled;
  const done = job.status === "completed" ? 100 : Math.max(job.progress, ended ? 1 : 0);
  const running = Math.min(100 - done, (100 * active) / (total(job.counts) || 1));
  const widths = { completed: share(completed, ended, done), failed: share(failed, ended, done) };
  widths.canceled = share(canceled, ended, done);
  widths.active = running;
  return h(
    "div",
    { class: "progress", role: "img", "aria-label": inWords(job), title: inWords(job) },
    PARTS.filter((part) => widths[part] > 0).map((part) =>
      h("span", { class: `part is-${part}`, style: { width: `${widths[part]}%` } }),
    ),
  );
}

const share = (count, ended, done) => (ended ? (count / ended) * done : 0);

/** Seconds until the end, if the rest goes like what is done; null where that cannot be said. */
export function secondsLeft(job) {
  if (job.status !== "active" || !job.started_at || job.progress < 1) return null;
  const left = (seconds(job.started_at) * (100 - job.progress)) / job.progress;
  return left < MOST_BELIEVED_SECONDS ? left : null;
}

export function timeLeft(job) {
  const left = secondsLeft(job);
  return left === null ? "" : `about ${duration(left)}`;
}
