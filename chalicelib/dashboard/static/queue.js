// In which order jobs of equal priority are served.

import { get, put } from "./api.js";
import { h, redraw, replace } from "./dom.js";
import { complain, notice } from "./notices.js";

const MODES = {
  "first-in": "The oldest first: one job after the other",
  balanced: "All at once: they share the workers evenly",
};

export function queueCard(isAllowed) {
  const place = h("div", {}, h("p", { class: "faint" }, "Reading…"));
  let now = null;
  const read = async () => {
    try {
      draw((await get("/queue")).mode);
    } catch (error) {
      replace(place, h("p", { class: "problem" }, error.message), h("button", { onclick: read }, "Try again"));
    }
  };
  const set = async (mode, before) => {
    try {
      draw((await put("/queue", { mode })).mode);
      notice("It holds for steps that begin from now on.", { undo: before && { text: "Undo", act: () => set(before, null) } });
    } catch (error) {
      complain(error);
      draw(now); // what was chosen is not what holds
    }
  };
  function draw(mode) {
    now = mode;
    const choice = ([value, title]) =>
      h("label", { class: "inline" }, h("input", { type: "radio", name: "queue-mode", value, checked: value === now, disabled: !isAllowed, onchange: () => set(value, now) }), title);
    redraw(place, h("div", { class: "stack tight", role: "radiogroup", "aria-label": "Jobs of equal priority" }, Object.entries(MODES).map(choice)));
  }
  read();
  return h("div", { class: "card stack" }, h("h2", {}, "Jobs of equal priority"), place);
}
