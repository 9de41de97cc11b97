// What concerns the whole farm: tokens, variables and webhooks; and what concerns this browser.

import { h } from "./dom.js";
import { notice } from "./notices.js";
import { pricePerWorkerHour, setPricePerWorkerHour } from "./prices.js";
import { queueCard } from "./queue.js";
import { retentionCard } from "./retention.js";
import { may, me } from "./store.js";
import { tokenCard } from "./tokens.js";
import { variableCard } from "./variables.js";
import { webhookCard } from "./webhooks.js";

export function openSettings() {
  return {
    element: h(
      "section",
      { class: "page" },
      h("h1", {}, "Settings"),
      may("admin") ? tokenCard() : h("p", {}, `Tokens, variables and webhooks are changed by an administrator. Your token may: ${me.scopes.join(", ")}.`),
      variableCard(),
      may("admin") && webhookCard(),
      queueCard(may("admin")),
      retentionCard(may("admin")),
      browserCard(),
    ),
  };
}

function browserCard() {
  const price = h("input", { id: "price", type: "number", min: 0, step: "any", value: pricePerWorkerHour() || "" });
  const save = (event) => {
    event.preventDefault();
    setPricePerWorkerHour(Number(price.value));
    notice("Saved in this browser.");
  };
  return h(
    "form",
    { class: "card stack", onsubmit: save },
    h("h2", {}, "This browser"),
    h("div", { class: "field" }, h("label", { for: "price" }, "Cost of one worker for an hour"), price, h("p", { class: "faint hint" }, "In your currency; the farm page then tells what the busy hours cost.")),
    h("div", { class: "buttons" }, h("button", {}, "Save")),
  );
}
