// All workers: who is there, what it does, and since when nothing was heard.

import { addWorkerButton } from "./add_worker.js";
import { get } from "./api.js";
import { h, replace } from "./dom.js";
import { number, plural, status, time } from "./format.js";
import { partNotice } from "./notices.js";
import { filter, href } from "./router.js";
import { Rows } from "./rows.js";
import { SortedView } from "./sorted_view.js";
import { workers } from "./store.js";

const STATUSES = ["awake", "starting", "asleep", "error", "lost", "offline"];
const ORDERS = {
  name: (worker) => worker.name.toLowerCase(),
  status: (worker) => STATUSES.indexOf(worker.status),
  runs: (worker) => worker.tasks?.length ?? 0,
  slots: (worker) => worker.slots,
  load: (worker) => worker.load?.cpu_percent ?? -1,
  contact: (worker) => worker.last_contact_at,
};
const LOOK_EVERY_SECONDS = 5;
const MOST_ASKED = 100;

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
  const part = partNotice(workers, "workers");
  const empty = h("div", { class: "empty", hidden: true });

  function sort(key) {
    const { key: now, down } = sortedBy(query);
    filter({ sort: key, down: key === now && !down ? "1" : "" });
  }

  const view = new SortedView();
  function draw(changed = null) {
    const all = workers.items.size;
    const seen = view.update(query.toString(), workers.items, changed, choice(query));
    const tally = { ...workers.tally, "": all };
    for (const button of chips) {
      const word = button.dataset.status;
      button.setAttribute("aria-pressed", String((query.get("status") ?? "") === word));
      button.lastChild.textContent = tally[word] ? number(tally[word]) : "";
    }
    counts.textContent = seen.length === all ? "" : `${number(seen.length)} shown`;
    rows.show(seen, sortedBy(query));
    rows.element.hidden = seen.length === 0;
    part.draw();
    empty.hidden = seen.length > 0;
    if (!seen.length) drawEmpty(empty, all);
  }

  // The deltas do not tell what workers hold and how busy they are: that changes all the time. It is asked of those in
  // sight, and where somebody has scrolled to.
  async function look() {
    const inSight = rows.items.slice(rows.first, rows.last).slice(0, MOST_ASKED);
    const awake = inSight.filter((worker) => !["offline", "lost"].includes(worker.status));
    if (document.hidden || !awake.length) return;
    try {
      workers.put((await get(`/workers?ids=${awake.map((worker) => worker.id)}`)).items);
    } catch {
      // The page says already that the farm does not answer; the next look may find more.
    }
  }
  const timer = setInterval(look, LOOK_EVERY_SECONDS * 1000);
  const onChange = ({ detail }) => draw(detail);
  workers.addEventListener("change", onChange);
  workers.load();
  return {
    element: h(
      "section",
      { class: "page" },
      h("div", { class: "filters" }, h("h1", {}, "Workers"), h("div", { class: "chips", role: "group", "aria-label": "Status" }, chips), search, counts, h("span", { class: "end" }, addWorkerButton())),
      part.element,
      rows.element,
      empty,
    ),
    opened: () => draw(),
    update(next) {
      query = next.query;
      draw();
    },
    close() {
      clearInterval(timer);
      workers.removeEventListener("change", onChange);
      rows.close();
    },
  };
}

const COLUMNS = [
  { key: "name", title: "Worker", sort: true, className: "name", cell: nameCell },
  { key: "status", title: "Status", sort: true, className: "state", cell: workerStatus },
  { key: "runs", title: "Runs", sort: true, className: "runs", cell: runsCell },
  { key: "load", title: "Load", sort: true, className: "wide", cell: loadCell },
  { key: "slots", title: "Slots", sort: true, className: "number wide", cell: (worker) => worker.slots },
  { key: "tags", title: "Tags", className: "wide", cell: (worker) => given(worker.tags).join(", ") },
  { key: "types", title: "Takes", className: "widest", cell: (worker) => h("span", { title: worker.task_types.join(", ") }, worker.task_types.join(", ")) },
  { key: "contact", title: "Last contact", sort: true, className: "contact", cell: (worker) => time(worker.last_contact_at) },
];

function nameCell(worker) {
  return [h("a", { href: href("workers", worker.id) }, worker.name), h("span", { class: "faint" }, worker.id)];
}

/** What people call it; `cpu.arch=x86_64` and `memory>=1024` are what its machine is. */
export const given = (tags) => tags.filter((tag) => !tag.includes("="));

/** Of `memory>=1024`, `memory>=2048` the greatest says it all. */
export function machine(tags) {
  const facts = new Map();
  for (const tag of tags.filter((one) => one.includes("="))) {
    const [, name, sign, value] = /^(.*?)(>?=)(.*)$/.exec(tag);
    if (sign === "=") facts.set(name, value);
    else facts.set(name, Math.max(Number(value), facts.get(name) ?? 0));
  }
  const said = (name, value) => (typeof value !== "number" ? value : name === "memory" ? memory(value) : number(value));
  return [...facts].map(([name, value]) => `${name} ${said(name, value)}`).join(", ");
}

const memory = (mib) => (mib < 1024 ? `${number(mib)} MiB` : `${number(mib / 1024)} GiB`);

/** Two meters; the numbers stand beside them. */
export function loadCell({ load, status: word }) {
  if (!load || ["offline", "lost"].includes(word)) return h("span", { class: "faint" }, "–");
  const meter = (title, percent) =>
    h("span", { class: "gauge", title: `${title} ${percent} %` }, h("span", { class: "faint" }, title), h("span", { class: "gauge-bar", "aria-hidden": "true" }, h("span", { style: { width: `${percent}%` } })), h("span", { class: "gauge-number" }, `${percent} %`));
  return [meter("CPU", load.cpu_percent), meter("mem", load.memory_percent)];
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

function choice(query) {
  const wanted = query.get("status");
  const words = (query.get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const searched = (worker) => `${worker.name} ${worker.id} ${worker.tags.join(" ")} ${worker.task_types.join(" ")}`.toLowerCase();
  const { key, down } = sortedBy(query);
  const direction = down ? -1 : 1;
  return {
    fits: (worker) => (!wanted || worker.status === wanted) && words.every((word) => searched(worker).includes(word)),
    key: ORDERS[key] ?? ORDERS.name,
    compare: (a, b) => (a === b ? 0 : a < b ? -direction : direction),
  };
}

function drawEmpty(element, all) {
  if (workers.error) replace(element, h("h2", {}, "The workers could not be read"), h("p", {}, workers.error.message), h("button", { onclick: () => workers.load() }, "Try again"));
  else if (!workers.complete) replace(element, h("p", {}, "Reading the workers…"));
  else if (all) replace(element, h("h2", {}, "No worker fits"), h("button", { onclick: () => filter({ status: "", q: "" }) }, `Show all ${number(all)}`));
  else {
    replace(
      element,
      h("h2", {}, "No workers yet"),
      h("p", {}, "A worker is any machine that runs one line. It fetches tasks from this farm, and needs no open port."),
      addWorkerButton(),
    );
  }
}
