// One task: its attempts, and what they write.

import { get } from "./api.js";
import { h, redraw, replace } from "./dom.js";
import { duration, seconds, status, time } from "./format.js";
import { live } from "./live.js";
import { logView } from "./log_view.js";
import { missing } from "./page_job.js";
import { filter, href } from "./router.js";
import { retryTask } from "./steering.js";
import { may, workers } from "./store.js";
import { taskWork } from "./task_work.js";

const ENDED = ["completed", "failed", "canceled"];
const LOOK_EVERY_SECONDS = 3;

export function openTask(place) {
  const head = h("div", { class: "filters" });
  const why = h("div", { class: "card", hidden: true });
  const attempts = h("div", { class: "card scrolls", tabindex: "0", role: "region", "aria-label": "Attempts" });
  const work = h("div", {});
  const logPlace = h("div", { class: "grows" });
  const body = [head, why, work, attempts, logPlace];
  const element = h("section", { class: "page fills" }, body);
  let task = null;
  let closed = false;
  let log = null;
  let shown = null;
  let chosen = place.query.get("attempt");

  async function read() {
    try {
      const now = await get(`/tasks/${place.id}`);
      if (closed) return;
      task = now;
      if (!head.isConnected) replace(element, body);
      draw();
      why.hidden = !["queued", "waiting", "paused"].includes(task.status);
      if (why.hidden) return;
      const { reasons } = await get(`/tasks/${place.id}/why`);
      replace(why, h("h2", {}, "Why it is not running"), h("ul", { class: "reasons" }, reasons.map((reason) => h("li", {}, reason.text))));
    } catch (error) {
      // What is shown stays: the next look may find more.
      if (!closed && task === null) replace(element, missing(error, "task", read));
    }
  }

  async function runAgain() {
    if (await retryTask(task)) read();
  }

  function draw() {
    if (closed || task === null) return;
    document.title = `${task.name} · Millrace`;
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
    const done = JSON.stringify([task.commands, task.files]);
    if (work.dataset.shown !== done) {
      work.dataset.shown = done;
      replace(work, taskWork(task, work.querySelector("details")?.open ?? !task.attempts.length));
    }
    const newest = task.attempts.at(-1)?.number ?? null;
    const wanted = Number(chosen ?? newest) || null;
    redraw(attempts, h("h2", {}, "Attempts"), attemptTable(task, wanted));
    if (wanted && wanted !== shown) {
      log?.close();
      shown = wanted;
      const isOver = () => ENDED.includes(task.status) || wanted !== (task.attempts.at(-1)?.number ?? wanted) || Boolean(task.attempts.at(-1)?.ended_at);
      log = logView(`/tasks/${place.id}/log?attempt=${wanted}`, isOver);
      replace(logPlace, log.element);
    }
  }

  const timer = setInterval(() => !document.hidden && (task === null || !ENDED.includes(task.status)) && read(), LOOK_EVERY_SECONDS * 1000);
  const onChanges = ({ detail }) => detail.jobs.some((job) => job.id === task?.job) && read();
  live.addEventListener("changes", onChanges);
  live.addEventListener("restart", read);
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
      clearInterval(timer);
      live.removeEventListener("changes", onChanges);
      live.removeEventListener("restart", read);
      log?.close();
    },
  };
}

function attemptTable(task, shown) {
  if (!task.attempts.length) return h("p", { class: "faint" }, "Not run yet.");
  const row = (attempt) =>
    h(
      "tr",
      {},
      h("td", {}, h("button", { class: "chip", "aria-pressed": String(attempt.number === shown), onclick: () => filter({ attempt: attempt.number }) }, `${attempt.number}`)),
      h("td", {}, status(attempt.outcome ?? "active", attempt.outcome ?? "running")),
      h("td", {}, h("a", { href: href("workers", attempt.worker) }, workers.items.get(attempt.worker)?.name ?? attempt.worker)),
      h("td", {}, time(attempt.started_at)),
      h("td", { "data-title": "took" }, duration(seconds(attempt.started_at, attempt.ended_at))),
      h("td", { "data-title": "exit code" }, attempt.exit_code ?? ""),
      h("td", { class: "long" }, attempt.error ?? ""),
    );
  const titles = ["Log of", "Outcome", "Worker", "Started", "Took", "Exit code", "Reason"];
  return h("table", { class: "stacks" }, h("thead", {}, h("tr", {}, titles.map((title) => h("th", { scope: "col" }, title)))), h("tbody", {}, task.attempts.map(row)));
}
