// How far a job is, by the state of its tasks: a bar of parts, and the same in words for those who do not see it.

import { h } from "./dom.js";
import { duration, number, plural, seconds } from "./format.js";

const PARTS = ["completed", "failed", "canceled", "active"];
const MOST_BELIEVED_SECONDS = 30 * 24 * 3600;

export const total = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);

/** The farm's own number grows a hundred tasks at a time; where there is one step only, its tasks say it exactly. So they
 * do where no step comes any more: what failed shows as failed, not as far from done. */
function percent(job) {
  const all = total(job.counts);
  const isWhole = job.finished_at || job.steps?.length === 1;
  if (job.status === "completed" || !isWhole || !all) return job.progress;
  return Math.floor((100 * ended(job)) / all);
}

const ended = ({ counts }) => counts.completed + counts.failed + counts.canceled;

export function inWords(job) {
  const said = PARTS.filter((part) => job.counts[part]).map((part) => `${number(job.counts[part])} ${part}`);
  const all = total(job.counts);
  if (!all) return "no tasks yet";
  return `${job.finished_at ? "" : `${percent(job)} %: `}${said.join(", ") || "none begun"} of ${plural(all, "task")}`;
}

/** Later steps have no tasks yet, so the parts share what the job's own progress says, not the whole width. */
export function bar(job) {
  const { completed, failed, canceled, active } = job.counts;
  const done = job.status === "completed" ? 100 : Math.max(percent(job), ended(job) ? 1 : 0);
  const share = (count) => (ended(job) ? (count / ended(job)) * done : 0);
  const widths = {
    completed: share(completed),
    failed: share(failed),
    canceled: share(canceled),
    active: Math.min(100 - done, (100 * active) / (total(job.counts) || 1)),
  };
  return h(
    "div",
    { class: "progress", role: "img", "aria-label": inWords(job), title: inWords(job) },
    PARTS.filter((part) => widths[part] > 0).map((part) =>
      h("span", { class: `part is-${part}`, style: { width: `${widths[part]}%` } }),
    ),
  );
}

/** Seconds until the end, if the rest goes like what is done; null where that cannot be said. */
export function secondsLeft(job) {
  const done = percent(job);
  if (job.status !== "active" || !job.started_at || done < 1) return null;
  const left = (seconds(job.started_at) * (100 - done)) / done;
  return left < MOST_BELIEVED_SECONDS ? left : null;
}

export function timeLeft(job) {
  const left = secondsLeft(job);
  return left === null ? "" : `about ${duration(left)}`;
}
