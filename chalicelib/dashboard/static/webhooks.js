// Who is told of events: webhooks are made, looked into, and removed.

import { get, post, remove } from "./api.js";
import { h, replace } from "./dom.js";
import { plural, time } from "./format.js";
import { complain, confirmed, notice } from "./notices.js";

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
      h("td", {}, lastDelivery(hook)),
      h("td", {}, h("button", { class: "danger", "aria-label": `Remove the webhook to ${hook.url}`, onclick: forget(hook) }, "Remove")),
    );
  return h("table", {}, h("thead", {}, h("tr", {}, ["URL", "Told of", "Last told"].map((title) => h("th", { scope: "col" }, title)), h("td", {}))), h("tbody", {}, hooks.map(row)));
}

function lastDelivery({ deliveries }) {
  const newest = deliveries.reduce((a, b) => (a && a.at > b.at ? a : b), null);
  if (!newest) return h("span", { class: "faint" }, "nothing yet");
  return [newest.event, " ", time(newest.at), ": ", newest.status, newest.error && h("div", { class: "problem" }, newest.error)];
}

function maker(told, read) {
  const url = h("input", { id: "hook-url", type: "url", required: true, placeholder: "https://…" });
  const boxes = EVENTS.map((event) => h("label", { class: "inline" }, h("input", { type: "checkbox", value: event, checked: event === "job.failed" }), event));
  const format = h("select", { id: "hook-format" }, h("option", { value: "json" }, "JSON"), h("option", { value: "slack" }, "Text, as Slack and Mattermost want it"));
  const make = async (event) => {
    event.preventDefault();
    const events = boxes.map((label) => label.firstChild).filter((box) => box.checked).map((box) => box.value);
    try {
      const made = await post("/webhooks", { url: url.value, events, format: format.value });
      replace(told, h("p", {}, "What signs its messages. Copy it now; it is not shown again."), h("pre", { tabindex: "0" }, made.secret));
      url.value = "";
      await read();
    } catch (error) {
      complain(error);
    }
  };
  return h(
    "form",
    { class: "stack", onsubmit: make },
    h("div", { class: "field" }, h("label", { for: "hook-url" }, "A new webhook to"), url),
    h("div", { class: "buttons", role: "group", "aria-label": "Events" }, boxes),
    h("div", { class: "buttons" }, h("label", { for: "hook-format" }, "as"), format, h("button", {}, "Make a webhook")),
  );
}
