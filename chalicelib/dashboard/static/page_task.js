// One task: its attempts, and what they write.

import { get } from "./api.js";
import { h, redraw, replace } from "./dom.js";
import { status } from "./format.js";
import { live } from "./live.js";
import { logView } from "./log_view.js";
import { missing } from "./page_job.js";
import { href } from "./router.js";
import { retryTask } from "./steering.js";
import { may, workers } from "./store.js";
import { drawAttempts } from "./task_attempts.js";
import { taskWork } from "./task_work.js";

const ENDED = ["completed", "failed", "canceled"];
const WAITING = ["queued", "waiting", "paused"];
const LOOK_EVERY_SECONDS = 3;

export function openTask(place) {
  const parts = {
    head: h("div", { class: "filters" }),
    why: h("div", { class: "card", hidden: true }),
    work: h("div", {}),
    attempts: h("div", { class: "card scrolls", tabindex: "0", role: "region", "aria-label": "Attempts" }),
    log: h("div", { class: "grows" }),
  };
  const element = h("section", { class: "page fills" }, Object.values(parts));
  const log = logOf(place.id, parts.log, () => task);
  let task = null;
  let closed = false;
  let chosen = place.query.get("attempt");

  async function read() {
    try {
      const now = await get(`/tasks/${place.id}`);
      if (closed) return;
      task = now;
      if (!parts.head.isConnected) replace(element, Object.values(parts));
      draw();
      await drawWhy(parts.why, task);
    } catch (error) {
      // What is shown stays: the next look may find more.
      if (!closed && task === null) replace(element, missing(error, "task", read));
    }
  }

  function draw() {
    if (closed || task === null) return;
    document.title = `${task.name} · Millrace`;
    drawHead(parts.head, task, runAgain);
    drawWork(parts.work, task);
    const shown = Number(chosen ?? task.attempts.at(-1)?.number) || null;
    drawAttempts(parts.attempts, task, shown);
    log.show(shown);
  }

  async function runAgain() {
    if (await retryTask(task)) read();
  }

  const stop = whenItMayHaveChanged(() => task, read);
  workers.load().then(draw);
  read();
  return {
    element,
    update(next) {
      chosen = next.query.get("attempt");
      draw();
    },
    close() {
      closed = true;
      stop();
      log.close();
    },
  };
}

/** Looks again: every few seconds until the task has ended, and when its job has news. Gives what ends that. */
function whenItMayHaveChanged(task, read) {
  const look = () => !document.hidden && (task() === null || !ENDED.includes(task().status)) && read();
  const onChanges = ({ detail }) => detail.jobs.some((job) => job.id === task()?.job) && read();
  const timer = setInterval(look, LOOK_EVERY_SECONDS * 1000);
  live.addEventListener("changes", onChanges);
  live.addEventListener("restart", read);
  return () => {
    clearInterval(timer);
    live.removeEventListener("changes", onChanges);
    live.removeEventListener("restart", read);
  };
}

function drawHead(head, task, runAgain) {
  redraw(
    head,
    h("a", { href: "#/jobs", class: "up" }, "Jobs"),
    h("a", { href: href("jobs", task.job), class: "up" }, task.job_name),
    h("h1", {}, task.name),
    status(task.status),
    task.status === "active" && h("span", {}, `${task.progress} %`),
    task.activity && h("span", { class: "faint" }, task.activity),
    may("operate") && ENDED.includes(task.status) && h("button", { class: "end", onclick: runAgain }, task.status === "completed" ? "Run again" : "Retry"),
  );
}

/** Drawn again only when it is another: somebody may have opened it, or be reading. */
function drawWork(place, task) {
  const known = JSON.stringify([task.commands, task.files]);
  if (place.dataset.shown === known) return;
  place.dataset.shown = known;
  replace(place, taskWork(task, place.querySelector("details")?.open ?? !task.attempts.length));
}

async function drawWhy(card, task) {
  card.hidden = !WAITING.includes(task.status);
  if (card.hidden) return;
  const { reasons } = await get(`/tasks/${task.id}/why`);
  replace(card, h("h2", {}, "Why it is not running"), h("ul", { class: "reasons" }, reasons.map((reason) => h("li", {}, reason.text))));
}

/** The log of one attempt at a time. task(): as it is known now. */
function logOf(id, place, task) {
  let log = null;
  let shown = null;
  const isOver = (attempt) => {
    const last = task().attempts.at(-1);
    return ENDED.includes(task().status) || attempt !== (last?.number ?? attempt) || Boolean(last?.ended_at);
  };
  return {
    /** attempt: its number; null: there is none yet. */
    show(attempt) {
      if (!attempt || attempt === shown) return;
      log?.close();
      shown = attempt;
      log = logView(`/tasks/${id}/log?attempt=${attempt}`, () => isOver(attempt));
      replace(place, log.element);
    },
    close: () => log?.close(),
  };
}
