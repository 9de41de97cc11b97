// Who may call the farm: tokens are made, shown once, and revoked.

import { get, post, remove } from "./api.js";
import { h, replace } from "./dom.js";
import { time } from "./format.js";
import { complain, confirmed, notice } from "./notices.js";

const SCOPES = {
  submit: "submit jobs, and read",
  operate: "also steer jobs and workers",
  worker: "register workers",
  admin: "everything",
};

export function tokenCard() {
  const list = h("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": "Tokens" });
  const fresh = h("div", { role: "status" });
  const read = async () => {
    const { items } = await get("/tokens");
    replace(list, items.length ? table(items, read) : h("p", { class: "faint" }, "None yet. Without tokens a farm is for its own machine only."));
  };
  read().catch(complain);
  return h("div", { class: "card stack" }, h("h2", {}, "Tokens"), list, fresh, maker(fresh, read));
}

function table(items, read) {
  const revoke = (token) => async () => {
    const content = h("p", {}, "Whoever uses it is shut out at once. This cannot be undone.");
    if (!(await confirmed({ title: `Revoke the token “${token.name}”?`, content, act: "Revoke it" }))) return;
    try {
      await remove(`/tokens/${token.id}`);
      notice(`“${token.name}” is revoked.`);
      await read();
    } catch (error) {
      complain(error);
    }
  };
  const row = (token) =>
    h("tr", {}, h("td", {}, token.name), h("td", {}, token.scopes.join(", ")), h("td", { "data-title": "made" }, time(token.created_at)), h("td", {}, h("button", { class: "danger", "aria-label": `Revoke ${token.name}`, onclick: revoke(token) }, "Revoke")));
  return h("table", { class: "stacks" }, h("thead", {}, h("tr", {}, ["Name", "May", "Made"].map((title) => h("th", { scope: "col" }, title)), h("td", {}))), h("tbody", {}, items.map(row)));
}

function maker(fresh, read) {
  const name = h("input", { id: "token-name", type: "text", required: true, maxlength: 200, placeholder: "whose it is, or what for" });
  const boxes = Object.entries(SCOPES).map(([scope, title]) => h("label", { class: "inline" }, h("input", { type: "checkbox", value: scope, checked: scope === "submit" }), `${scope}: ${title}`));
  const make = async (event) => {
    event.preventDefault();
    const scopes = boxes.map((label) => label.firstChild).filter((box) => box.checked).map((box) => box.value);
    try {
      const made = await post("/tokens", { name: name.value, scopes });
      replace(fresh, h("p", {}, `The token of “${made.name}”. Copy it now; it is not shown again.`), h("pre", { tabindex: "0" }, made.token));
      name.value = "";
      await read();
    } catch (error) {
      complain(error);
    }
  };
  return h(
    "form",
    { class: "stack", onsubmit: make },
    h("div", { class: "field" }, h("label", { for: "token-name" }, "A new token for"), name),
    h("div", { class: "buttons", role: "group", "aria-label": "It may" }, boxes),
    h("div", { class: "buttons" }, h("button", {}, "Make a token")),
  );
}
