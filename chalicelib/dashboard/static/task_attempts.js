// The attempts of a task: how each ended, where, why; and of which the log is shown.

import { h, redraw } from "./dom.js";
import { duration, seconds, status, time } from "./format.js";
import { filter, href } from "./router.js";
import { workers } from "./store.js";

const TITLES = ["Log of", "Outcome", "Worker", "Started", "Took", "Exit code", "Reason"];

/** shown: the number of the attempt of which the log is shown. */
export function drawAttempts(card, task, shown) {
  redraw(card, h("h2", {}, "Attempts"), task.attempts.length ? table(task.attempts, shown) : h("p", { class: "faint" }, "Not run yet."));
}

const table = (attempts, shown) =>
  h(
    "table",
    { class: "stacks" },
    h("thead", {}, h("tr", {}, TITLES.map((title) => h("th", { scope: "col" }, title)))),
    h("tbody", {}, attempts.map((attempt) => row(attempt, attempt.number === shown))),
  );

const row = (attempt, isShown) =>
  h(
    "tr",
    {},
    h("td", {}, h("button", { class: "chip", "aria-pressed": String(isShown), onclick: () => filter({ attempt: attempt.number }) }, `${attempt.number}`)),
    h("td", {}, status(attempt.outcome ?? "active", attempt.outcome ?? "running")),
    h("td", {}, h("a", { href: href("workers", attempt.worker) }, workers.items.get(attempt.worker)?.name ?? attempt.worker)),
    h("td", {}, time(attempt.started_at)),
    h("td", { "data-title": "took" }, duration(seconds(attempt.started_at, attempt.ended_at))),
    h("td", { "data-title": "exit code" }, attempt.exit_code ?? ""),
    h("td", { class: "long" }, attempt.error ?? ""),
  );
