// What may be done to the jobs that are marked, all at once.

import { h, redraw } from "./dom.js";
import { number, plural } from "./format.js";
import { ACTIONS, allowing, prioritise, steer } from "./steering.js";

const OFFERED = ["pause", "resume", "retry", "cancel", "delete"];

/** marks: of the jobs in `list`; those with which something did not work out stay marked. */
export function drawTools(tools, list, marks) {
  tools.hidden = list.length === 0;
  if (!list.length) return;
  // Who is in the middle of something keeps it, as long as it concerns as many jobs.
  if (tools.inert || (tools.contains(document.activeElement) && tools.dataset.marked === String(list.length))) return;
  tools.dataset.marked = list.length;
  redraw(
    tools,
    h("strong", {}, `${plural(list.length, "job")} marked`),
    OFFERED.map((action) => actionButton(action, tools, list, marks)),
    priorityForm(tools, list, marks),
    h("button", { class: "plain", onclick: () => marks.only([]) }, "Unmark all"),
  );
}

/** With a number where not all that are marked allow it. */
function actionButton(action, tools, list, marks) {
  const count = allowing(action, list).length;
  const act = async (event) => {
    const { succeeded, failed } = await busy(tools, event.target, () => steer(action, list));
    if (succeeded.length || failed.length) marks.only(failed);
  };
  const some = count > 0 && count < list.length && ` ${number(count)}`;
  return h("button", { disabled: count === 0, class: action === "cancel" ? "danger" : "", onclick: act }, ACTIONS[action].title, some);
}

function priorityForm(tools, list, marks) {
  const priority = h("input", { type: "number", min: 0, max: 100, required: true, value: list[0].priority, "aria-label": "Priority, 0 to 100" });
  const set = async (event) => {
    event.preventDefault();
    marks.only(await busy(tools, priority, () => prioritise(list, Number(priority.value))));
  };
  return h("form", { class: "inline", onsubmit: set }, priority, h("button", {}, "Set priority"));
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
