// All jobs: filtered, searched, sorted, and steered several at a time.

import { h, replace } from "./dom.js";
import { number } from "./format.js";
import { columns } from "./jobs_columns.js";
import { filterBar, STATUSES } from "./jobs_filters.js";
import { drawTools } from "./jobs_tools.js";
import { Marks } from "./marks.js";
import { partNotice } from "./notices.js";
import { secondsLeft } from "./progress.js";
import { at, filter, href } from "./router.js";
import { Rows } from "./rows.js";
import { SortedView } from "./sorted_view.js";
import { jobs, may } from "./store.js";

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
  let query = place.query;
  let seen = [];
  let areAllMarked = false;
  const marks = new Marks(() => {
    rows.redraw();
    draw();
  });
  const rows = new Rows({
    label: "Jobs",
    className: "jobs",
    key: (job) => job.id,
    columns: columns(marks, () => seen),
    onSort: (key) => filter({ sort: key, up: sortedBy(query).key === key && sortedBy(query).down ? "1" : "" }),
    onMark: may("operate") ? (job) => marks.toggle(job) : undefined,
    onOpen: (job) => (location.hash = href("jobs", job.id)),
  });
  const filters = filterBar(query);
  const tools = h("div", { class: "tools", hidden: true });
  const part = partNotice(jobs, "jobs");
  const empty = h("div", { class: "empty", hidden: true });
  const view = new SortedView();

  /** changed: which jobs did; without it, all are looked at. */
  function draw(changed = null) {
    const marked = marks.of(jobs.items);
    seen = view.update(query.toString(), jobs.items, changed, choice(query));
    rows.show(seen, sortedBy(query));
    if (marks.areAll(seen) !== areAllMarked) {
      areAllMarked = !areAllMarked;
      rows.drawHead();
    }
    filters.count(seen.length);
    drawTools(tools, marked, marks);
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

function drawEmpty(element, all, seen) {
  element.hidden = seen > 0;
  if (seen === 0) replace(element, whyEmpty(all));
}

function whyEmpty(all) {
  if (jobs.error) return [h("h2", {}, "The jobs could not be read"), h("p", {}, jobs.error.message), h("button", { onclick: () => jobs.load() }, "Try again")];
  if (!jobs.complete) return [h("p", {}, "Reading the jobs…")];
  if (all === 0) {
    return [
      h("h2", {}, "No jobs yet"),
      h("p", {}, "Submit one here, or from a terminal with ", h("code", {}, "millrace submit"), "."),
      may("submit") && h("a", { class: "button primary", href: "#/submit" }, "Submit a job"),
    ];
  }
  const { query } = at(location.hash);
  const asked = [query.get("status"), query.get("q") && `“${query.get("q")}”`].filter(Boolean).join(", ");
  return [h("h2", {}, `No job fits: ${asked}`), h("button", { onclick: () => filter({ status: "", q: "" }) }, `Show all ${number(all)}`)];
}
