// One job: how far it is, why it is not further, its steps, tasks, files and settings.

import { contentUrl, get, pages } from "./api.js";
import { h, redraw, replace } from "./dom.js";
import { bytes, duration, number, plural, seconds, status, time } from "./format.js";
import { jobTasks } from "./job_tasks.js";
import { live } from "./live.js";
import { complain } from "./notices.js";
import { isPicture, picture } from "./pictures.js";
import { bar, inWords, timeLeft } from "./progress.js";
import { ACTIONS, allowing, limitAtOnce, prioritise, steer } from "./steering.js";
import { stepGraph } from "./step_graph.js";
import { jobs, may } from "./store.js";

const ENDED = ["completed", "failed", "canceled"];
const MOST_FILES = 200;

export function openJob(place) {
  const id = place.id;
  const parts = {
    head: h("div", { class: "filters" }),
    summary: h("div", { class: "card" }),
    why: h("div", { class: "card", hidden: true }),
    steps: h("div", { class: "card scrolls", tabindex: "0", role: "region", "aria-label": "Steps" }),
    files: h("div", { class: "card", hidden: true }),
    settings: h("details", { class: "card" }),
  };
  const taskPart = jobTasks(id, place.query);
  const split = h("div", { class: "split" }, h("div", { class: "stack" }, parts.summary, parts.why, parts.steps), parts.files);
  const body = [parts.head, split, taskPart.element, parts.settings];
  const element = h("section", { class: "page" }, body);
  let job = null;
  let closed = false;
  let busy = false;
  let again = false;

  async function read() {
    if (closed) return;
    if (busy) return void (again = true);
    busy = true;
    try {
      const isFirst = job === null;
      const now = await get(`/jobs/${id}`);
      if (closed) return;
      job = now;
      if (!parts.head.isConnected) replace(element, body);
      document.title = `${job.name} · Millrace`;
      drawJob(parts, job, read);
      if (isFirst) drawSettings(parts.settings, job.settings);
      await Promise.all([
        taskPart.show(job),
        drawWhy(parts.why, job),
        drawFiles(parts.files, job),
      ]);
    } catch (error) {
      if (closed) return;
      if (job === null || error.status === 404) replace(element, missing(error, "job", read));
      else if (error.status) complain(error);
    }
    busy = false;
    if (again) {
      again = false;
      setTimeout(read, 1000);
    }
  }

  const onChanges = ({ detail }) => {
    if (detail.gone.includes(id)) replace(element, missing({ status: 404 }, "job", read));
    else if (detail.jobs.some((changed) => changed.id === id)) read();
  };
  // What this page's own buttons did is in the store before the deltas tell.
  const onStore = () => {
    const known = jobs.items.get(id);
    if (job && known && (known.status !== job.status || known.priority !== job.priority)) read();
  };
  live.addEventListener("changes", onChanges);
  live.addEventListener("restart", read);
  jobs.addEventListener("change", onStore);
  read();
  return {
    element,
    update: (next) => taskPart.filter(next.query),
    close() {
      closed = true;
      live.removeEventListener("changes", onChanges);
      live.removeEventListener("restart", read);
      jobs.removeEventListener("change", onStore);
      taskPart.close();
    },
  };
}

/** Instead of a page that has nothing to show. word: for what is missing; again(): reads it once more. */
export function missing(error, word, again) {
  const isGone = error.status === 404;
  return h(
    "div",
    { class: "empty" },
    h("h1", {}, isGone ? "Nothing to show" : `The ${word} could not be read`),
    h("p", {}, isGone ? `There is no such ${word}. It may have been deleted.` : error.message),
    !isGone && h("button", { onclick: () => again() }, "Try again"),
    word === "worker" ? h("a", { class: "button", href: "#/workers" }, "All workers") : h("a", { class: "button", href: "#/jobs" }, "All jobs"),
  );
}

function drawJob(parts, job, again) {
  const act = (action) => async () => {
    const { succeeded } = await steer(action, [job]);
    if (succeeded.length && action === "delete") location.hash = "#/jobs";
  };
  const button = (action) =>
    allowing(action, [job]).length > 0 &&
    h("button", { class: action === "cancel" || action === "delete" ? "danger" : "", onclick: act(action) }, ACTIONS[action].title);
  const held = parts.head.contains(document.activeElement) ? document.activeElement.textContent : null;
  replace(
    parts.head,
    h("a", { href: "#/jobs", class: "up" }, "Jobs"),
    h("h1", {}, job.name),
    status(job.status),
    may("operate") && h("div", { class: "buttons end" }, ["pause", "resume", "retry", "retryFailed", "cancel", "delete"].map(button)),
  );
  if (held) [...parts.head.querySelectorAll("button")].find((one) => one.textContent === held)?.focus();
  const progress = bar(job);
  progress.classList.add("large");
  if (!parts.summary.contains(document.activeElement) || document.activeElement.tagName !== "INPUT") {
    redraw(parts.summary, progress, h("p", { class: "words" }, inWords(job)), job.error && h("p", { class: "problem" }, job.error), facts(job, again));
  }
  parts.steps.hidden = job.steps.length === 1; // the tasks below say it all
  replace(parts.steps, h("h2", {}, "Steps"), job.steps.length ? stepGraph(job.steps) : h("p", { class: "faint" }, "Being made…"));
}

function facts(job, again) {
  const rows = [
    ["Type", job.type],
    ["Priority", priority(job)],
    ["At once", atOnce(job, again)],
    ["Owner", job.owner],
    ["Tags", job.tags.join(", ")],
    ["Submitted", time(job.created_at)],
    ["Started", job.started_at && time(job.started_at)],
    ["Ended", job.finished_at && time(job.finished_at)],
    ["Took", job.started_at && job.finished_at && duration(seconds(job.started_at, job.finished_at))],
    ["Time left", timeLeft(job)],
  ];
  const isThere = ([, value]) => value !== undefined && value !== null && value !== "" && value !== false;
  return h("dl", { class: "facts" }, rows.filter(isThere).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

function priority(job) {
  if (!may("operate") || ENDED.includes(job.status)) return job.priority;
  const field = h("input", { type: "number", min: 0, max: 100, required: true, value: job.priority, "aria-label": "Priority, 0 to 100" });
  const set = (event) => {
    event.preventDefault();
    field.blur();
    prioritise([job], Number(field.value));
  };
  return h("form", { class: "inline", onsubmit: set }, field, h("button", {}, "Set"));
}

function atOnce(job, again) {
  if (!may("operate") || ENDED.includes(job.status)) return job.max_workers && `at most ${number(job.max_workers)}`;
  const field = h("input", { type: "number", min: 1, value: job.max_workers ?? "", placeholder: "all", "aria-label": "Tasks at once; empty for no limit" });
  const set = (event) => {
    event.preventDefault();
    field.blur();
    limitAtOnce(job, field.value === "" ? null : Number(field.value), again);
  };
  return h("form", { class: "inline", onsubmit: set }, field, h("button", { "aria-label": "Set how many at once" }, "Set"));
}

async function drawWhy(card, job) {
  card.hidden = ENDED.includes(job.status);
  if (card.hidden) return;
  const { reasons } = await get(`/jobs/${job.id}/why`);
  replace(card, h("h2", {}, "Why it is not further"), h("ul", { class: "reasons" }, reasons.map((reason) => h("li", {}, reason.text))));
}

async function drawFiles(card, job) {
  const files = [];
  for await (const items of pages(`/jobs/${job.id}/outputs`, { first: MOST_FILES, limit: MOST_FILES })) {
    files.push(...items);
    if (files.length >= MOST_FILES) break;
  }
  const known = files.map((file) => file.blob).join();
  card.hidden = files.length === 0;
  if (card.hidden || card.dataset.known === known) return;
  card.dataset.known = known;
  const last = files.findLast(isPicture);
  const size = files.reduce((sum, file) => sum + file.size, 0);
  replace(
    card,
    last && h("figure", {}, picture(last), h("figcaption", { class: "faint" }, last.name)),
    h("h2", {}, files.length < MOST_FILES ? `${plural(files.length, "file")}, ${bytes(size)}` : `The first ${number(files.length)} files`),
    h("ul", { class: "files" }, files.map(fileLink)),
    files.length >= MOST_FILES && h("p", { class: "faint" }, "All of them: ", h("code", {}, `millrace download ${job.id}`)),
  );
}

export const fileLink = (file) =>
  h("li", {}, h("a", { href: contentUrl(file.blob), download: file.name.split("/").pop() }, file.name), h("span", { class: "faint" }, bytes(file.size)));

function drawSettings(details, settings) {
  replace(details, h("summary", {}, "Settings"), h("pre", { tabindex: "0" }, settings ? JSON.stringify(settings, null, 2) : "They cannot be read."));
}
