// Who is told of events: webhooks are made, looked into, changed, and removed.

import { get, patch, post, remove } from "./api.js";
import { freshId, h, replace } from "./dom.js";
import { plural, time } from "./format.js";
import { complain, confirmed, notice } from "./notices.js";

const FORMATS = [
  ["json", "JSON"],
  ["slack", "Text, as Slack and Mattermost want it"],
];
const EVENTS = ["job.completed", "job.failed", "job.canceled", "worker.lost", "worker.error"];

export function webhookCard() {
  const list = h("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": "Webhooks" });
  const told = h("div", { role: "status" });
  const read = async () => {
    const { items } = await get("/webhooks");
    const whole = await Promise.all(items.map((hook) => get(`/webhooks/${hook.id}`)));
    replace(list, items.length ? table(whole, read) : h("p", { class: "faint" }, "None. A webhook tells another service, such as a chat, of jobs that end and workers that are lost."));
  };
  read().catch(complain);
  return h("div", { class: "card stack" }, h("h2", {}, "Webhooks"), list, told, maker(told, read));
}

function table(hooks, read) {
  const forget = (hook) => async () => {
    const waiting = hook.deliveries.filter((delivery) => delivery.status === "pending").length;
    const content = h("p", {}, `${plural(waiting, "event")} that wait for it are not sent. This cannot be undone.`);
    if (!(await confirmed({ title: `Remove the webhook to ${hook.url}?`, content, act: "Remove it" }))) return;
    try {
      await remove(`/webhooks/${hook.id}`);
      notice("The webhook is removed.");
      await read();
    } catch (error) {
      complain(error);
    }
  };
  const row = (hook) =>
    h(
      "tr",
      {},
      h("td", { class: "long" }, hook.url),
      h("td", { class: "long" }, hook.events.join(", "), hook.job && ` of job ${hook.job}`),
      h("td", { "data-title": "Last told" }, lastDelivery(hook)),
      h(
        "td",
        {},
        h(
          "div",
          { class: "buttons" },
          h("button", { "aria-label": `Change the webhook to ${hook.url}`, onclick: (event) => edit(event.target.closest("tr"), hook, read) }, "Change"),
          h("button", { class: "danger", "aria-label": `Remove the webhook to ${hook.url}`, onclick: forget(hook) }, "Remove"),
        ),
      ),
    );
  return h("table", { class: "stacks" }, h("thead", {}, h("tr", {}, ["URL", "Told of", "Last told"].map((title) => h("th", { scope: "col" }, title)), h("td", {}))), h("tbody", {}, hooks.map(row)));
}

function lastDelivery({ deliveries }) {
  const newest = deliveries.reduce((a, b) => (a && a.at > b.at ? a : b), null);
  if (!newest) return h("span", { class: "faint" }, "nothing yet");
  return [newest.event, " ", time(newest.at), ": ", newest.status, newest.error && h("div", { class: "problem" }, newest.error)];
}

/** The row of a webhook becomes a form, and a row again. */
function edit(row, hook, read) {
  const before = { url: hook.url, events: hook.events, format: hook.format };
  const fields = fieldsOf(before);
  const back = () => form.replaceWith(row);
  const change = async (values, undo) => {
    await patch(`/webhooks/${hook.id}`, values);
    await read();
    notice("The webhook is changed.", { undo });
  };
  const save = async (event) => {
    event.preventDefault();
    try {
      await change(fields.read(), { text: "Undo", act: () => change(before, null).catch(complain) });
    } catch (error) {
      complain(error);
    }
  };
  const form = h(
    "tr",
    {},
    h("td", { colspan: 4 }, h("form", { class: "stack", onsubmit: save }, fields.elements, h("div", { class: "buttons" }, h("button", { class: "primary" }, "Save"), h("button", { type: "button", onclick: back }, "Leave it as it was")))),
  );
  row.replaceWith(form);
  form.querySelector("input").focus();
}

function fieldsOf({ url, events, format }) {
  const [urlId, formatId] = [freshId("hook-url"), freshId("hook-format")];
  const to = h("input", { id: urlId, type: "url", required: true, placeholder: "https://… or mailto:name@example.com", value: url });
  const boxes = EVENTS.map((event) => h("label", { class: "inline" }, h("input", { type: "checkbox", value: event, checked: events.includes(event) }), event));
  const as = h("select", { id: formatId }, FORMATS.map(([value, title]) => h("option", { value, selected: value === format }, title)));
  return {
    elements: [
      h("div", { class: "field" }, h("label", { for: urlId }, url ? "URL" : "A new webhook to"), to),
      h("div", { class: "buttons", role: "group", "aria-label": "Events" }, boxes),
      h("div", { class: "buttons" }, h("label", { for: formatId }, "as"), as),
    ],
    read: () => ({ url: to.value, events: boxes.map((label) => label.firstChild).filter((box) => box.checked).map((box) => box.value), format: as.value }),
    clear: () => (to.value = ""),
  };
}

function maker(told, read) {
  const fields = fieldsOf({ url: "", events: ["job.failed"], format: "json" });
  const make = async (event) => {
    event.preventDefault();
    try {
      const made = await post("/webhooks", fields.read());
      if (made.url.startsWith("mailto:")) replace(told, h("p", {}, "The farm will write to that address."));
      else replace(told, h("p", {}, "What signs its messages. Copy it now; it is not shown again."), h("pre", { tabindex: "0" }, made.secret));
      fields.clear();
      await read();
    } catch (error) {
      complain(error);
    }
  };
  return h("form", { class: "stack", onsubmit: make }, fields.elements, h("div", { class: "buttons" }, h("button", {}, "Make a webhook")));
}
