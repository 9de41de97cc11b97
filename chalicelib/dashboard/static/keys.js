// What the keyboard does here beyond Tab and Enter, and the list of it for whoever asks.

import { freshId, h } from "./dom.js";
import { showModal, undoLast } from "./notices.js";
import { FIRST_OF_ROWS } from "./rows.js";

const KEYS = {
  "Everywhere": [
    ["/", "Search on this page"],
    ["Ctrl Z", "Undo what was done last, while its notice is there"],
    ["?", "This list"],
  ],
  "In a list": [
    ["j", "Into the list; then the next row, as ↓"],
    ["k", "The row before, as ↑"],
    ["Page Down, Page Up", "A screen further, or back"],
    ["Home, End", "The first row, the last"],
    ["x", "Mark the job, or unmark it"],
    ["Enter", "Open it"],
    ["Esc", "Out of the list, to what is behind it"],
  ],
  "On a strip of tasks": [
    ["← → ↑ ↓, Home, End", "From task to task"],
    ["f", "The next failure"],
    ["Enter", "A closer look; then the task"],
    ["Esc", "All of them again"],
  ],
  "In the search of a log": [["Enter, Shift Enter", "The next match, the one before"]],
};

export const keysButton = () => h("button", { class: "plain", "aria-label": "Keys", title: "What the keyboard does  ( ? )", onclick: tellKeys }, "?");

function tellKeys() {
  const id = freshId("keys");
  const row = ([key, what]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, what));
  showModal(
    h(
      "dialog",
      { "aria-labelledby": id },
      h("h2", { id }, "What the keyboard does"),
      Object.entries(KEYS).map(([where, keys]) => [h("h3", {}, where), h("dl", { class: "keys" }, keys.map(row))]),
      h("form", { method: "dialog", class: "buttons" }, h("button", {}, "Close")),
    ),
  );
}

/** Of the whole page; lists, strips and logs hear their own keys. */
export function onKey(event, content) {
  if (event.defaultPrevented || event.altKey || event.target.matches("input:not([type=checkbox]), textarea, select") || document.querySelector("dialog")) return;
  const isCommand = event.ctrlKey || event.metaKey;
  if (isCommand ? event.key === "z" && undoLast() : event.key in ALONE && ALONE[event.key](content)) event.preventDefault();
}

const ALONE = {
  "/": (content) => focused(content.querySelector("input[type=search]")),
  j: (content) => focused(content.querySelector(FIRST_OF_ROWS)),
  "?": () => (tellKeys(), true),
};

const focused = (element) => (element?.focus(), Boolean(element));
