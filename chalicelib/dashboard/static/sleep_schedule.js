// The hours in which a worker is to sleep.

import { put } from "./api.js";
import { freshId, h } from "./dom.js";
import { complain, notice } from "./notices.js";

const DAYS = { mo: "Mon", tu: "Tue", we: "Wed", th: "Thu", fr: "Fri", sa: "Sat", su: "Sun" };

export function sleepSchedule(worker, schedule, isAllowed) {
  const active = h("input", { type: "checkbox", id: freshId("active"), checked: schedule.active });
  const start = h("input", { type: "time", id: freshId("start"), value: schedule.start ?? "" });
  const end = h("input", { type: "time", id: freshId("end"), value: schedule.end ?? "" });
  const days = Object.entries(DAYS).map(([day, title]) =>
    h("label", { class: "inline" }, h("input", { type: "checkbox", value: day, checked: schedule.days.includes(day) }), title),
  );
  const save = async (event) => {
    event.preventDefault();
    const chosen = days.map((label) => label.firstChild).filter((box) => box.checked).map((box) => box.value);
    try {
      await put(`/workers/${worker.id}/sleep-schedule`, { active: active.checked, days: chosen, start: start.value || null, end: end.value || null });
      notice("Sleep schedule saved.");
    } catch (error) {
      complain(error);
    }
  };
  return h(
    "form",
    { class: "stack", onsubmit: save },
    h(
      "fieldset",
      { disabled: !isAllowed },
      h("legend", {}, "Sleep schedule"),
      h("label", { class: "inline", for: active.id }, active, "Sleeps by schedule"),
      h("div", { class: "buttons" }, h("label", { for: start.id }, "from"), start, h("label", { for: end.id }, "to"), end),
      h("div", { class: "buttons", role: "group", "aria-label": "Days" }, days),
      h("p", { class: "faint" }, "Hours are those of the farm’s own clock. No day means every day; no hour means midnight."),
      isAllowed && h("button", {}, "Save the schedule"),
    ),
  );
}
