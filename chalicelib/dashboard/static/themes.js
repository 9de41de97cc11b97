// Light, dark, or as the system has it.

import { h } from "./dom.js";

const CHOICES = { system: "System", light: "Light", dark: "Dark" };

export function themeSwitch() {
  const chosen = document.documentElement.dataset.theme ?? "system";
  return h(
    "select",
    { class: "theme", "aria-label": "Colours", title: "Colours: light, dark, or as this computer has them", onchange: (event) => choose(event.target.value) },
    Object.entries(CHOICES).map(([value, title]) => h("option", { value, selected: value === chosen }, title)),
  );
}

/** What draws on a canvas listens for "themechange". */
function choose(value) {
  if (value === "system") {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem("millrace-theme");
  } else {
    document.documentElement.dataset.theme = value;
    localStorage.setItem("millrace-theme", value);
  }
  document.dispatchEvent(new Event("themechange"));
}
