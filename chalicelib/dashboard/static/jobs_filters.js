// Above the list of jobs: which of them are shown, how many there are of each status, and the way to a new one.

import { h } from "./dom.js";
import { number } from "./format.js";
import { filter } from "./router.js";
import { jobs, may } from "./store.js";

export const STATUSES = ["active", "queued", "paused", "failed", "completed", "canceled", "compiling"];
/** A job is being compiled for a moment only: nobody looks for those. */
const OFFERED = ["", ...STATUSES.filter((word) => word !== "compiling")];

/** query: of the URL. Gives { element, show(query), count(how many are listed) }. */
export function filterBar(query) {
  const counts = h("span", { class: "faint", role: "status" });
  const search = searchField(query);
  const chips = OFFERED.map(chip);
  const show = (now) => {
    for (const one of chips) one.setAttribute("aria-pressed", (now.get("status") ?? "") === one.dataset.status);
    if (document.activeElement !== search) search.value = now.get("q") ?? "";
  };
  show(query);
  return {
    element: h(
      "div",
      { class: "filters" },
      h("h1", {}, "Jobs"),
      h("div", { class: "chips", role: "group", "aria-label": "Status" }, chips),
      search,
      counts,
      may("submit") && h("a", { class: "button primary", href: "#/submit" }, "Submit a job"),
    ),
    show,
    count(seen) {
      const all = jobs.items.size;
      const tally = { ...jobs.tally, "": all };
      for (const one of chips) one.lastChild.textContent = tally[one.dataset.status] ? number(tally[one.dataset.status]) : "";
      counts.textContent = jobs.complete || jobs.error ? (seen === all ? "" : `${number(seen)} shown`) : `reading… ${number(all)}`;
    },
  };
}

function searchField(query) {
  const field = h("input", {
    type: "search",
    placeholder: "Search name, type, owner, tag  ( / )",
    "aria-label": "Search jobs",
    value: query.get("q") ?? "",
    oninput: () => filter({ q: field.value }),
  });
  return field;
}

const chip = (word) =>
  h("button", { class: "chip", "data-status": word, onclick: () => filter({ status: word }) }, word || "all", h("span", { class: "tally" }));
