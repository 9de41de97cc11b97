// How another machine becomes a worker of this farm: one line to run there, with a token that lets in one machine.

import { post, ROOT } from "./api.js";
import { freshId, h, replace } from "./dom.js";
import { complain, notice, showModal } from "./notices.js";
import { may, me } from "./store.js";

const script = new URL("install/install.py", ROOT).href;
const LINES = {
  "Linux and macOS": (rest) => `curl -fsSL ${script} | python3 -${rest}`,
  "Windows (PowerShell)": (rest) => `irm ${script} | py -${rest}`,
};

export const addWorkerButton = () => h("button", { class: "primary", onclick: open }, "Add a worker");

async function open() {
  const id = freshId("add");
  const lines = h("div", { class: "stack tight" });
  const dialog = h(
    "dialog",
    { "aria-labelledby": id, class: "wide" },
    h("h2", { id }, "Add a worker"),
    h("p", {}, "On the machine that shall work for this farm, with Python 3.11 or newer, run:"),
    lines,
    h("p", { class: "faint" }, "It opens no port, and appears here within seconds. ", h("a", { href: new URL("install", ROOT).href, target: "_blank", rel: "noreferrer" }, "What the line does, and other ways")),
    h("form", { method: "dialog", class: "buttons" }, h("button", {}, "Close")),
  );
  showModal(dialog);
  replace(lines, me.auth === "token" ? closed(lines) : shown(""));
}

/** On a farm with tokens the line holds one, which is made when it is asked for. */
function closed(lines) {
  if (!may("admin")) return [...shown(" --join TOKEN"), h("p", {}, "An administrator makes the token here, or by ", h("code", {}, "millrace token --join"), ".")];
  const make = async () => {
    try {
      const made = await post("/join-tokens", { name: "made on the web page" });
      replace(lines, shown(` --join ${made.token}`), h("p", {}, "The token in it lets in one machine, within 15 minutes. It is not shown again."));
      (lines.querySelector("button") ?? lines.querySelector("pre")).focus(); // browsers copy at https only
    } catch (error) {
      complain(error);
    }
  };
  return h("div", { class: "buttons" }, h("button", { class: "primary", onclick: make }, "Make the line for one machine"));
}

const shown = (rest) =>
  Object.entries(LINES).map(([system, line]) =>
    h("div", {}, h("strong", {}, system), h("div", { class: "copied" }, h("pre", { tabindex: "0" }, line(rest)), navigator.clipboard && h("button", { "aria-label": `Copy the line for ${system}`, onclick: () => copy(line(rest)) }, "Copy"))),
  );

async function copy(text) {
  await navigator.clipboard.writeText(text);
  notice("Copied.");
}
