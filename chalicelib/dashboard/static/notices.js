// What a person is told, and asked: short notices that may hold an undo, and questions before anything destructive.

import { freshId, h } from "./dom.js";

const SECONDS = 8;

/** undo: { text, act }. A notice with an undo stays longer, and as long as it is hovered or focused. */
export function notice(text, { undo = null, isError = false } = {}) {
  const close = () => element.remove();
  const element = h(
    "div",
    { class: `toast ${isError ? "is-error" : ""}` },
    h("span", {}, text),
    undo && h("button", { class: "plain", onclick: () => (close(), undo.act()) }, undo.text),
    h("button", { class: "plain", "aria-label": "Dismiss", onclick: close }, "✕"),
  );
  document.getElementById("toasts").append(element);
  const end = () => (element.matches(":hover, :focus-within") ? setTimeout(end, 2000) : close());
  setTimeout(end, (undo || isError ? 2 : 1) * SECONDS * 1000);
}

export const complain = (error) => notice(error.message, { isError: true });

/** Asks in a native dialog. content: nodes below the question. Gives true only if the person said so. */
export function confirmed({ title, content = [], act, isDanger = true }) {
  const id = freshId("question");
  const dialog = h(
    "dialog",
    { "aria-labelledby": id },
    h(
      "form",
      { method: "dialog" },
      h("h2", { id }, title),
      content,
      h(
        "div",
        { class: "buttons" },
        h("button", { value: "no", autofocus: isDanger }, "Leave it"),
        h("button", { value: "yes", class: isDanger ? "danger" : "primary", autofocus: !isDanger }, act),
      ),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}
