// In which order jobs of equal priority are served.

import { get, put } from "./api.js";
import { h, replace } from "./dom.js";
import { complain, notice } from "./notices.js";

const MODES = {
  "first-in": "The oldest first: one job after the other",
  balanced: "All at once: they share the workers evenly",
};

export function queueCard(isAllowed) {
  const place = h("div", {}, h("p", { class: "faint" }, "Reading…"));
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
    }
  };
  function draw(now) {
    const choice = ([mode, title]) =>
      h("label", { class: "inline" }, h("input", { type: "radio", name: "queue-mode", value: mode, checked: mode === now, disabled: !isAllowed, onchange: () => set(mode, now) }), title);
    replace(place, h("div", { class: "stack tight", role: "radiogroup", "aria-label": "Jobs of equal priority" }, Object.entries(MODES).map(choice)));
  }
  read();
  return h("div", { class: "card stack" }, h("h2", {}, "Jobs of equal priority"), place);
}
