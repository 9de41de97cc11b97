// All jobs: filtered, searched, sorted, and steered several at a time.

import { h, redraw, replace } from "./dom.js";
import { number, plural, status, time } from "./format.js";
import { partNotice } from "./notices.js";
import { bar, secondsLeft, timeLeft, total } from "./progress.js";
import { at, filter, href } from "./router.js";
import { Rows } from "./rows.js";
import { ACTIONS, allowing, prioritise, steer } from "./steering.js";
import { SortedView } from "./sorted_view.js";
import { jobs, may } from "./store.js";

const STATUSES = ["active", "queued", "paused", "failed", "completed", "canceled", "compiling"];
const ORDERS = {
  name: (job) => job.name.toLowerCase(),
  status: (job) => STATUSES.indexOf(job.status),
  progress: (job) => job.progress,
  priority: (job) => job.priority,
  running: (job) => job.counts.active,
  owner: (job) => job.owner ?? "",
  left: (job) => secondsLeft(job) ?? Infinity,
  created: (job) => job.created_at,
};

export function openJobs(place) {
  const marked = new Set();
  let query = place.query;

  const toggle = (job) => {
    if (!marked.delete(job.id)) marked.add(job.id);
    remarked();
  };
  const remarked = () => {
    rows.redraw();
    draw();
  };
  let seen = [];
  let areAllMarked = false;
  const rows = new Rows({
    label: "Jobs",
    className: "jobs",
    key: (job) => job.id,
    columns: columns(marked, toggle, () => markAll(), () => areAllMarked),
    onSort: (key) => filter({ sort: key, up: sortedBy(query).key === key && sortedBy(query).down ? "1" : "" }),
    onMark: may("operate") ? toggle : undefined,
    onOpen: (job) => (location.hash = href("jobs", job.id)),
  });
  const filters = filterBar(query);
  const tools = h("div", { class: "tools", hidden: true });
  const part = partNotice(jobs, "jobs");
  const empty = h("div", { class: "empty", hidden: true });
  const view = new SortedView();

  const markAll = () => {
    const all = seen.every((job) => marked.has(job.id));
    for (const job of seen) all ? marked.delete(job.id) : marked.add(job.id);
    remarked();
  };

  /** changed: which jobs did; without it, all are looked at. */
  function draw(changed = null) {
    for (const id of marked) if (!jobs.items.has(id)) marked.delete(id);
    seen = view.update(query.toString(), jobs.items, changed, choice(query));
    rows.show(seen, sortedBy(query));
    const areAll = seen.length > 0 && seen.every((job) => marked.has(job.id));
    if (areAll !== areAllMarked) {
      areAllMarked = areAll;
      rows.drawHead();
    }
    filters.count(seen.length);
    drawTools(tools, [...marked].map((id) => jobs.items.get(id)), (failed = []) => {
      marked.clear();
      for (const job of failed) marked.add(job.id);
      remarked();
    });
    part.draw();
    drawEmpty(empty, jobs.items.size, seen.length);
    rows.element.hidden = seen.length === 0;
  }

  const onChange = ({ detail }) => draw(detail);
  jobs.addEventListener("change", onChange);
  jobs.load();
  return {
    element: h("section", { class: "page" }, filters.element, part.element, tools, rows.element, empty),
    opened: () => draw(),
    update(next) {
      query = next.query;
      filters.show(query);
      draw();
    },
    close() {
      jobs.removeEventListener("change", onChange);
      rows.close();
    },
  };
}

function columns(marked, toggle, markAll, areAllMarked) {
  const mark = {
    key: "mark",
    className: "mark",
    headCell: () => h("input", { type: "checkbox", "aria-label": "Mark all jobs shown", onchange: markAll, checked: areAllMarked() }),
    cell: (job) =>
      h("input", {
        type: "checkbox",
        "aria-label": `Mark ${job.name}`,
        checked: marked.has(job.id),
        onchange: () => toggle(job),
      }),
  };
  return [
    ...(may("operate") ? [mark] : []),
    { key: "name", title: "Job", sort: true, className: "name", cell: nameCell },
    { key: "status", title: "Status", sort: true, className: "state", cell: (job) => status(job.status) },
    { key: "progress", title: "Progress", sort: true, className: "far", cell: progressCell },
    { key: "priority", title: "Priority", sort: true, className: "number wide", cell: (job) => job.priority },
    { key: "running", title: "Running", sort: true, className: "number wide", cell: (job) => h("span", { title: `${plural(job.counts.active, "task")} on workers now` }, job.counts.active ? number(job.counts.active) : "") },
    { key: "owner", title: "Owner", sort: true, className: "widest", cell: (job) => job.owner ?? h("span", { class: "faint" }, "–") },
    { key: "left", title: "Time left", sort: true, className: "wide", cell: leftCell },
    { key: "created", title: "Submitted", sort: true, className: "widest", cell: (job) => time(job.created_at) },
  ];
}

const nameCell = (job) => [
  h("a", { href: href("jobs", job.id), title: job.name }, job.name),
  h("span", { class: "faint" }, job.type),
];

const progressCell = (job) => [
  bar(job),
  h("span", { class: "faint" }, total(job.counts) ? `${number(job.counts.completed)}/${number(total(job.counts))}` : ""),
];

const leftCell = (job) => (job.finished_at ? ["ended ", time(job.finished_at)] : timeLeft(job));

const sortedBy = (query) => ({ key: query.get("sort") ?? "created", down: query.get("up") !== "1" });

/** Which jobs the URL asks for, and in which order. */
function choice(query) {
  const wanted = query.get("status");
  const words = (query.get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const { key, down } = sortedBy(query);
  const direction = down ? -1 : 1;
  return {
    fits: (job) => (!wanted || job.status === wanted) && (!words.length || isFound(job, words)),
    key: ORDERS[key] ?? ORDERS.created,
    compare: (a, b) => (a === b ? 0 : a < b ? -direction : direction),
  };
}

function isFound(job, words) {
  const text = searched(job);
  return words.every((word) => text.includes(word));
}

const searched = (job) => `${job.name} ${job.type} ${job.owner ?? ""} ${job.id} ${job.tags.join(" ")}`.toLowerCase();

function filterBar(query) {
  const counts = h("span", { class: "faint", role: "status" });
  const search = h("input", {
    type: "search",
    placeholder: "Search name, type, owner, tag  ( / )",
    "aria-label": "Search jobs",
    value: query.get("q") ?? "",
    oninput: () => filter({ q: search.value }),
  });
  const buttons = ["", ...STATUSES.slice(0, 6)].map((word) =>
    h("button", { class: "chip", "data-status": word, onclick: () => filter({ status: word }) }, word || "all", h("span", { class: "tally" })),
  );
  const show = (now) => {
    for (const button of buttons) button.setAttribute("aria-pressed", (now.get("status") ?? "") === button.dataset.status);
    if (document.activeElement !== search) search.value = now.get("q") ?? "";
  };
  show(query);
  return {
    element: h(
      "div",
      { class: "filters" },
      h("h1", {}, "Jobs"),
      h("div", { class: "chips", role: "group", "aria-label": "Status" }, buttons),
      search,
      counts,
      may("submit") && h("a", { class: "button primary", href: "#/submit" }, "Submit a job"),
    ),
    show,
    count(seen) {
      const all = jobs.items.size;
      const tally = { ...jobs.tally, "": all };
      for (const button of buttons) button.lastChild.textContent = tally[button.dataset.status] ? number(tally[button.dataset.status]) : "";
      counts.textContent = jobs.complete || jobs.error ? (seen === all ? "" : `${number(seen)} shown`) : `reading… ${number(all)}`;
    },
  };
}

function drawTools(tools, list, clear) {
  tools.hidden = list.length === 0;
  if (!list.length) return;
  const button = (action) => {
    const count = allowing(action, list).length;
    const act = async (event) => {
      const { succeeded, failed } = await busy(tools, event.target, () => steer(action, list));
      if (succeeded.length || failed.length) clear(failed);
    };
    return h("button", { disabled: count === 0, class: action === "cancel" ? "danger" : "", onclick: act }, ACTIONS[action].title, count > 0 && count < list.length ? ` ${number(count)}` : "");
  };
  const priority = h("input", { type: "number", min: 0, max: 100, required: true, value: list[0].priority, "aria-label": "Priority, 0 to 100" });
  const set = (event) => {
    event.preventDefault();
    busy(tools, priority, () => prioritise(list, Number(priority.value))).then(clear);
  };
  if (tools.inert || (tools.contains(document.activeElement) && tools.dataset.marked === String(list.length))) return;
  tools.dataset.marked = list.length;
  redraw(
    tools,
    h("strong", {}, `${plural(list.length, "job")} marked`),
    ["pause", "resume", "retry", "cancel", "delete"].map(button),
    h("form", { class: "inline", onsubmit: set }, priority, h("button", {}, "Set priority")),
    h("button", { class: "plain", onclick: () => clear() }, "Unmark all"),
  );
}

/** Nothing else is begun with what is marked until this is done; then the keyboard is where it was. */
async function busy(tools, held, act) {
  tools.inert = true;
  try {
    return await act();
  } finally {
    tools.inert = false;
    held.focus();
  }
}

function drawEmpty(element, all, seen) {
  element.hidden = seen > 0;
  if (seen > 0) return;
  const { query } = at(location.hash);
  if (jobs.error) {
    const again = () => jobs.load();
    replace(element, h("h2", {}, "The jobs could not be read"), h("p", {}, jobs.error.message), h("button", { onclick: again }, "Try again"));
  } else if (!jobs.complete) replace(element, h("p", {}, "Reading the jobs…"));
  else if (all === 0) {
    replace(
      element,
      h("h2", {}, "No jobs yet"),
      h("p", {}, "Submit one here, or from a terminal with ", h("code", {}, "millrace submit"), "."),
      may("submit") && h("a", { class: "button primary", href: "#/submit" }, "Submit a job"),
    );
  } else {
    const word = [query.get("status"), query.get("q") && `“${query.get("q")}”`].filter(Boolean).join(", ");
    replace(
      element,
      h("h2", {}, `No job fits: ${word}`),
      h("button", { onclick: () => filter({ status: "", q: "" }) }, `Show all ${number(all)}`),
    );
  }
}
