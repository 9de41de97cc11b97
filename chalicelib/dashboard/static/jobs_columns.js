// What the list of jobs tells of each.

import { h } from "./dom.js";
import { number, plural, status, time } from "./format.js";
import { bar, timeLeft, total } from "./progress.js";
import { href } from "./router.js";
import { may } from "./store.js";

/** marks: of jobs; seen(): those that are listed. */
export const columns = (marks, seen) => [...(may("operate") ? [mark(marks, seen)] : []), ...COLUMNS];

const mark = (marks, seen) => ({
  key: "mark",
  className: "mark",
  headCell: () => box("Mark all jobs shown", marks.areAll(seen()), () => marks.toggleAll(seen())),
  cell: (job) => box(`Mark ${job.name}`, marks.has(job), () => marks.toggle(job)),
});

const box = (label, checked, onchange) => h("input", { type: "checkbox", "aria-label": label, checked, onchange });

const COLUMNS = [
  { key: "name", title: "Job", sort: true, className: "name", cell: nameCell },
  { key: "status", title: "Status", sort: true, className: "state", cell: (job) => status(job.status) },
  { key: "progress", title: "Progress", sort: true, className: "far", cell: progressCell },
  { key: "priority", title: "Priority", sort: true, className: "number wide", cell: (job) => job.priority },
  { key: "running", title: "Running", sort: true, className: "number wide", cell: runningCell },
  { key: "owner", title: "Owner", sort: true, className: "widest", cell: (job) => job.owner ?? h("span", { class: "faint" }, "–") },
  { key: "left", title: "Time left", sort: true, className: "wide", cell: leftCell },
  { key: "created", title: "Submitted", sort: true, className: "widest", cell: (job) => time(job.created_at) },
];

function nameCell(job) {
  return [h("a", { href: href("jobs", job.id), title: job.name }, job.name), h("span", { class: "faint" }, job.type)];
}

function progressCell(job) {
  const all = total(job.counts);
  return [bar(job), h("span", { class: "faint" }, all ? `${number(job.counts.completed)}/${number(all)}` : "")];
}

function runningCell({ counts }) {
  return h("span", { title: `${plural(counts.active, "task")} on workers now` }, counts.active ? number(counts.active) : "");
}

function leftCell(job) {
  return job.finished_at ? ["ended ", time(job.finished_at)] : timeLeft(job);
}
