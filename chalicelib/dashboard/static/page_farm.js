// The farm over time: what waits, what runs, who is busy, what failed where and why, and what it cost.

import { get } from "./api.js";
import { chart } from "./charts.js";
import { h, redraw, replace } from "./dom.js";
import { bytes, duration, number } from "./format.js";
import { pricePerWorkerHour } from "./prices.js";
import { filter, href } from "./router.js";
import { workers } from "./store.js";

const SPANS = { 60: "Hour", 360: "6 hours", 1440: "Day", 10080: "Week", 43200: "30 days" };
const LOOK_EVERY_SECONDS = 60;
const MOST_LISTED = 10;

export function openFarm(place) {
  let minutes = spanOf(place.query);
  let charts = [];
  let shown = null;
  let closed = false;
  const spans = h("div", { class: "chips", role: "group", "aria-label": "How far back" });
  const body = h("div", { class: "stack" }, h("p", {}, "Reading…"));
  const close = () => charts.splice(0).forEach((one) => one.close());

  async function read() {
    const wanted = minutes;
    redraw(spans, Object.entries(SPANS).map(([span, title]) => chip(span, title, minutes)));
    try {
      const answer = await get(`/statistics?minutes=${wanted}`);
      if (wanted !== minutes || closed) return;
      shown = { ...answer, wanted };
      show();
    } catch (error) {
      // What is shown of the same span is a minute old: better than nothing. The next look may bring more.
      if (wanted !== minutes || closed || shown?.wanted === wanted) return;
      shown = null;
      replace(body, h("div", { class: "empty" }, h("h2", {}, "The statistics could not be read"), h("p", {}, error.message), h("button", { onclick: read }, "Try again")));
    }
  }

  function show() {
    if (!shown) return;
    const { points, seconds_per_point: seconds } = shown;
    close();
    charts = points.length ? drawn(points) : [];
    replace(body, points.length ? [h("div", { class: "tiles" }, tiles(points, seconds)), h("div", { class: "grid" }, charts.map((one) => one.element)), failures(points)] : nothing());
  }

  const timer = setInterval(() => !document.hidden && read(), LOOK_EVERY_SECONDS * 1000);
  // Failures show the names of workers once these are read.
  read().then(() => workers.load()).then(() => !closed && show());
  return {
    element: h("section", { class: "page" }, h("div", { class: "filters" }, h("h1", {}, "Farm"), spans), body),
    update(next) {
      minutes = spanOf(next.query);
      read();
    },
    close() {
      closed = true;
      clearInterval(timer);
      close();
    },
  };
}

const spanOf = (query) => (SPANS[query.get("minutes")] ? query.get("minutes") : "60");

const chip = (span, title, chosen) =>
  h("button", { class: "chip", "aria-pressed": String(span === chosen), onclick: () => filter({ minutes: span }) }, title);

const nothing = () =>
  h("div", { class: "empty" }, h("h2", {}, "Nothing to show yet"), h("p", {}, "The farm notes its state once a minute. Look again in a moment."));

function drawn(points) {
  const times = points.map((point) => new Date(point.at) / 1000);
  const tasks = (word) => points.map((point) => point.tasks?.[word] ?? null);
  const ended = (word) => points.map((point) => point.ended[word] ?? 0);
  return [
    chart("Tasks", times, [
      { title: "queued", colour: "--queued", values: tasks("queued") },
      { title: "active", colour: "--active", values: tasks("active") },
    ]),
    chart("Workers", times, [
      { title: "busy", colour: "--completed", values: points.map((point) => point.busy_workers) },
      { title: "idle", colour: "--waiting", values: points.map((point) => point.idle_workers) },
      { title: "lost", colour: "--failed", values: points.map((point) => point.workers.lost ?? 0) },
    ]),
    chart("Tasks that ended", times, [
      { title: "completed", colour: "--completed", values: ended("completed") },
      { title: "failed", colour: "--failed", values: points.map((point) => (point.ended.failed ?? 0) + (point.ended.lost ?? 0)) },
    ]),
  ];
}

function tiles(points, secondsPerPoint) {
  const last = points.findLast((point) => point.tasks) ?? points.at(-1);
  const sum = (word) => points.reduce((all, point) => all + (point.ended[word] ?? 0), 0);
  const hours = (points.reduce((all, point) => all + point.busy_workers, 0) * secondsPerPoint) / 3600;
  const price = pricePerWorkerHour();
  const stored = points.findLast((point) => point.stored_bytes !== null)?.stored_bytes;
  const one = (title, value) => h("div", { class: "card tile" }, h("span", { class: "faint" }, title), h("strong", {}, value));
  return [
    one("Queued", number(last.tasks?.queued ?? 0)),
    one("Active", number(last.tasks?.active ?? 0)),
    one("Longest wait", last.oldest_queued_seconds ? duration(last.oldest_queued_seconds) : "none"),
    one("Completed", number(sum("completed"))),
    one("Failed", number(sum("failed") + sum("lost"))),
    one("Worker hours", hours.toFixed(1)),
    price > 0 && one("Cost", (hours * price).toFixed(2)),
    stored !== undefined && stored !== null && one("Stored", bytes(stored)),
  ];
}

function failures(points) {
  const byWorker = added(points, "failures_by_worker", "worker");
  const byReason = added(points, "failures_by_reason", "reason");
  if (!byWorker.length) return h("p", { class: "faint" }, "No task failed in this time.");
  const name = (id) => h("a", { href: href("workers", id) }, workers.items.get(id)?.name ?? id);
  return h("div", { class: "grid" }, counted("Failures by worker", "Worker", byWorker, name), counted("Failures by reason", "Reason", byReason, (reason) => reason));
}

function added(points, list, key) {
  const sums = new Map();
  for (const point of points) for (const entry of point[list]) sums.set(entry[key], (sums.get(entry[key]) ?? 0) + entry.count);
  return [...sums].sort((a, b) => b[1] - a[1]).slice(0, MOST_LISTED);
}

function counted(title, what, entries, cell) {
  const most = entries[0]?.[1] ?? 1;
  const row = ([key, count]) =>
    h("tr", {}, h("td", { class: "long" }, cell(key)), h("td", { class: "number" }, number(count)), h("td", { class: "meter" }, h("span", { style: { width: `${(100 * count) / most}%` } })));
  return h(
    "div",
    { class: "card" },
    h("h2", {}, title),
    h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, what), h("th", { scope: "col", class: "number" }, "Failures"), h("td", {}))), h("tbody", {}, entries.map(row))),
  );
}
