// All workers: who is there, what it does, and since when nothing was heard.

import { pages } from "./api.js";
import { h, replace } from "./dom.js";
import { number, plural, status, time } from "./format.js";
import { filter, href } from "./router.js";
import { Rows } from "./rows.js";
import { workers } from "./store.js";

const STATUSES = ["awake", "starting", "asleep", "error", "lost", "offline"];
const ORDERS = {
  name: (worker) => worker.name.toLowerCase(),
  status: (worker) => STATUSES.indexOf(worker.status),
  runs: (worker) => worker.tasks?.length ?? 0,
  slots: (worker) => worker.slots,
  contact: (worker) => worker.last_contact_at,
};
const HELD_EVERY_SECONDS = 5;
const MOST_ASKED = 200;

export function openWorkers(place) {
  let query = place.query;
  const rows = new Rows({ label: "Workers", className: "workers", key: (worker) => worker.id, columns: COLUMNS, onSort: sort });
  const counts = h("span", { class: "faint", role: "status" });
  const search = h("input", {
    type: "search", placeholder: "Search name, tag, type  ( / )", "aria-label": "Search workers",
    value: query.get("q") ?? "", oninput: () => filter({ q: search.value }),
  });
  const chips = ["", ...STATUSES].map((word) =>
    h("button", { class: "chip", "data-status": word, onclick: () => filter({ status: word }) }, word || "all", h("span", { class: "tally" })),
  );
  const empty = h("div", { class: "empty", hidden: true });

  function sort(key) {
    const { key: now, down } = sortedBy(query);
    filter({ sort: key, down: key === now && !down ? "1" : "" });
  }

  function draw() {
    const everything = [...workers.items.values()];
    const seen = chosen(everything, query);
    const tally = { "": everything.length };
    for (const worker of everything) tally[worker.status] = (tally[worker.status] ?? 0) + 1;
    for (const button of chips) {
      const word = button.dataset.status;
      button.setAttribute("aria-pressed", String((query.get("status") ?? "") === word));
      button.lastChild.textContent = tally[word] ? number(tally[word]) : "";
    }
    counts.textContent = seen.length === everything.length ? "" : `${number(seen.length)} shown`;
    rows.show(seen, sortedBy(query));
    rows.element.hidden = seen.length === 0;
    empty.hidden = seen.length > 0;
    if (!seen.length) drawEmpty(empty, everything.length);
  }

  // The deltas do not tell what workers hold: that changes with every task.
  const timer = setInterval(async () => {
    if (document.hidden || !workers.complete || workers.items.size > MOST_ASKED) return;
    for await (const items of pages("/workers", { first: MOST_ASKED })) workers.put(items);
  }, HELD_EVERY_SECONDS * 1000);
  workers.addEventListener("change", draw);
  workers.load();
  return {
    element: h(
      "section",
      { class: "page" },
      h("div", { class: "filters" }, h("h1", {}, "Workers"), h("div", { class: "chips", role: "group", "aria-label": "Status" }, chips), search, counts),
      rows.element,
      empty,
    ),
    opened: draw,
    update(next) {
      query = next.query;
      draw();
    },
    close() {
      clearInterval(timer);
      workers.removeEventListener("change", draw);
      rows.close();
    },
  };
}

const COLUMNS = [
  { key: "name", title: "Worker", sort: true, className: "name", cell: nameCell },
  { key: "status", title: "Status", sort: true, className: "state", cell: workerStatus },
  { key: "runs", title: "Runs", sort: true, className: "", cell: runsCell },
  { key: "slots", title: "Slots", sort: true, className: "number wide", cell: (worker) => worker.slots },
  { key: "tags", title: "Tags", className: "wide", cell: (worker) => worker.tags.join(", ") },
  { key: "types", title: "Takes", className: "widest", cell: (worker) => h("span", { title: worker.task_types.join(", ") }, worker.task_types.join(", ")) },
  { key: "contact", title: "Last contact", sort: true, cell: (worker) => time(worker.last_contact_at) },
];

function nameCell(worker) {
  return [h("a", { href: href("workers", worker.id) }, worker.name), h("span", { class: "faint" }, worker.id)];
}

export function workerStatus(worker) {
  const asked = worker.status_requested && worker.status_requested !== worker.status;
  return [status(worker.status), asked && h("span", { class: "faint" }, ` → ${worker.status_requested}`)];
}

function runsCell(worker) {
  const held = worker.tasks ?? [];
  if (!held.length) return h("span", { class: "faint" }, worker.status === "awake" ? "idle" : "–");
  return h("a", { href: href("tasks", held[0]) }, held.length === 1 ? "a task" : plural(held.length, "task"));
}

const sortedBy = (query) => ({ key: query.get("sort") ?? "name", down: query.get("down") === "1" });

function chosen(everything, query) {
  const wanted = query.get("status");
  const words = (query.get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const searched = (worker) => `${worker.name} ${worker.id} ${worker.tags.join(" ")} ${worker.task_types.join(" ")}`.toLowerCase();
  const { key, down } = sortedBy(query);
  const order = ORDERS[key] ?? ORDERS.name;
  const compare = (a, b) => (order(a) < order(b) ? -1 : order(a) > order(b) ? 1 : Number(a.id) - Number(b.id));
  return everything
    .filter((worker) => (!wanted || worker.status === wanted) && words.every((word) => searched(worker).includes(word)))
    .sort((a, b) => (down ? -compare(a, b) : compare(a, b)));
}

function drawEmpty(element, all) {
  if (workers.error) replace(element, h("h2", {}, "The workers could not be read"), h("p", {}, workers.error.message), h("button", { onclick: () => workers.load() }, "Try again"));
  else if (!workers.complete) replace(element, h("p", {}, "Reading the workers…"));
  else if (all) replace(element, h("h2", {}, "No worker fits"), h("button", { onclick: () => filter({ status: "", q: "" }) }, `Show all ${number(all)}`));
  else {
    replace(
      element,
      h("h2", {}, "No workers yet"),
      h("p", {}, "On a machine that shall work for this farm:"),
      h("pre", { tabindex: "0" }, `millrace worker --farm ${location.origin}${location.pathname.replace(/\/$/, "")}`),
    );
  }
}
