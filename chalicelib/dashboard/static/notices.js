// What a person is told, and asked: short notices that may hold an undo, and questions before anything destructive.

import { freshId, h, replace } from "./dom.js";
import { number } from "./format.js";

const SECONDS = 8;

/** undo: { text, act }. A notice with an undo stays longer, and as long as it is hovered or focused. */
export function notice(text, { undo = null, isError = false } = {}) {
  const close = () => {
    const isHeld = element.contains(document.activeElement);
    element.remove();
    if (isHeld) (document.querySelector("dialog") ?? document.getElementById("content")).focus({ preventScroll: true });
  };
  const element = h(
    "div",
    { class: `toast ${isError ? "is-error" : ""}` },
    h("span", {}, text),
    undo && h("button", { class: "plain undo", onclick: () => (close(), undo.act()) }, undo.text),
    h("button", { class: "plain", "aria-label": "Dismiss", onclick: close }, "✕"),
  );
  document.getElementById("toasts").append(element);
  const end = () => (element.matches(":hover, :focus-within") ? setTimeout(end, 2000) : close());
  setTimeout(end, (undo || isError ? 2 : 1) * SECONDS * 1000);
}

/** As a click on the newest undo that is offered. Gives whether there is one. */
export function undoLast() {
  const offered = [...document.querySelectorAll("#toasts .undo")].at(-1);
  offered?.click();
  return Boolean(offered);
}

export const complain = (error) => notice(error.message, { isError: true });

/** Above a list of which a page could not be read: that there are more, and a way to them. Gives { element, draw() }. */
export function partNotice(collection, words) {
  const element = h("div", { class: "buttons", role: "status", hidden: true });
  let told = "";
  return {
    element,
    draw() {
      const { error, items } = collection;
      const text = error && items.size ? `Only ${number(items.size)} ${words} could be read. ${error.message}` : "";
      if (text === told) return;
      told = text;
      element.hidden = !text;
      replace(element, h("p", { class: "problem" }, text), h("button", { onclick: () => collection.load() }, "Try again"));
    },
  };
}

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
  return new Promise((resolve) => showModal(dialog, () => resolve(dialog.returnValue === "yes")));
}

/** Notices come along: below a modal dialog they could neither be clicked nor heard. */
export function showModal(dialog, onClose = () => {}) {
  const toasts = document.getElementById("toasts");
  dialog.append(toasts);
  dialog.addEventListener("close", () => {
    document.body.append(toasts);
    dialog.remove();
    onClose();
  });
  document.body.append(dialog);
  dialog.showModal();
}
