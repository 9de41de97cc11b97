// The farm's variables: one line for each value; lines of one name are one variable.

import { tagged } from "./api.js";
import { h, replace } from "./dom.js";
import { complain, notice } from "./notices.js";
import { looking } from "./reading.js";
import { may } from "./store.js";

const TITLES = ["Name", "Value", "Platforms", "For", "Paths both ways"];

export function variableCard() {
  const body = h("tbody", {});
  const told = h("div", { role: "status" }, h("p", { class: "faint" }, "Reading…"));
  const isAllowed = may("admin");
  /** The tag of what the farm had when the lines were drawn. They replace all it has: never what nobody here has seen. */
  let known = null;

  const load = async () => {
    lock(true);
    try {
      const { answer, tag } = await looking(tagged("GET", "/variables"));
      const { variables } = answer;
      known = tag;
      const rows = Object.entries(variables).flatMap(([name, { direction, values }]) => values.map((value) => line(name, direction, value)));
      replace(body, rows);
      replace(told);
      lock(false);
    } catch (error) {
      replace(told, h("p", { class: "problem" }, error.message), h("button", { type: "button", onclick: load }, "Try again"));
    }
  };
  const save = async (event) => {
    event.preventDefault();
    const wanted = read(body);
    lock(true);
    try {
      known = (await tagged("PUT", "/variables", { variables: wanted }, { tag: known })).tag;
      notice("Variables saved. They count for tasks that are given out from now on.");
    } catch (error) {
      if (error.status === 412) return changedMeanwhile();
      complain(error);
    }
    lock(false);
  };
  function changedMeanwhile() {
    const text = "Somebody has changed the variables since they were read here, so nothing was saved. Read them again, and make your change once more.";
    replace(told, h("p", { class: "problem" }, text), h("button", { type: "button", onclick: load }, "Read them again"));
  }

  // What scrolls stands around the fieldset: it is to be scrolled by keys also while, or by whom, nothing may be changed.
  const lines = h(
    "fieldset",
    { disabled: true, class: "whole", "aria-label": "Variables" },
    h("table", { class: "stacks" }, h("thead", {}, h("tr", {}, TITLES.map((title) => h("th", { scope: "col" }, title)), h("td", {}))), body),
  );
  const add = h("button", { type: "button", onclick: () => body.append(line("", "oneway", { value: "", platforms: [], audience: "all" })) }, "Add a line");
  const submit = h("button", { class: "primary" }, "Save the variables");
  const lock = (isLocked) => [lines, add, submit].forEach((one) => (one.disabled = isLocked || !isAllowed));
  load();
  return h(
    "form",
    { class: "card stack", onsubmit: save },
    h("h2", {}, "Variables"),
    h("p", { class: "faint" }, "{name} in the settings of commands becomes the value for the worker’s platform: linux, windows, darwin; none means all. Where paths go both ways, a path that begins with a value becomes that of the worker’s platform."),
    h("div", { class: "scrolls whole", tabindex: "0", role: "region", "aria-label": "Lines" }, lines),
    told,
    isAllowed && h("div", { class: "buttons" }, add, submit),
  );
}

function line(name, direction, { value, platforms, audience }) {
  const field = (label, text, properties = {}) => h("td", { class: "long", "data-title": label }, h("input", { type: "text", "aria-label": label, value: text, ...properties }));
  const audiences = ["all", "workers", "users"].map((word) => h("option", { selected: word === audience }, word));
  const row = h(
    "tr",
    {},
    field("Name", name, { required: true, pattern: "[^\\{\\}]+" }),
    field("Value", value),
    field("Platforms", platforms.join(", ")),
    h("td", { "data-title": "For" }, h("select", { "aria-label": "For" }, audiences)),
    h("td", { "data-title": "Paths both ways" }, h("input", { type: "checkbox", "aria-label": "Paths both ways", checked: direction === "twoway" })),
    h("td", {}, h("button", { type: "button", class: "plain", "aria-label": `Remove ${name || "this line"}`, onclick: () => row.remove() }, "✕")),
  );
  return row;
}

function read(body) {
  const variables = {};
  for (const row of body.rows) {
    const [name, value, platforms, audience, twoway] = row.querySelectorAll("input, select");
    const variable = (variables[name.value] ??= { direction: "oneway", values: [] });
    if (twoway.checked) variable.direction = "twoway";
    const list = platforms.value.split(",").map((word) => word.trim()).filter(Boolean);
    variable.values.push({ value: value.value, audience: audience.value, platforms: list });
  }
  return variables;
}
