// What a task does: its commands as its worker gets them, what it reads, and what it is to leave.

import { contentUrl } from "./api.js";
import { h } from "./dom.js";
import { bytes, duration, plural } from "./format.js";

/** task: with commands, as `/tasks/{id}` gives it. Open if there is no log to look at. */
export function taskWork(task, isOpen) {
  return h(
    "details",
    { class: "card", open: isOpen },
    h("summary", {}, `What it does: ${plural(task.commands.length, "command")}`),
    h("ol", { class: "commands" }, task.commands.map(command)),
    facts(task),
    task.files.length > 0 && [h("h3", {}, "Files it left"), h("ul", { class: "files" }, task.files.map(file))],
  );
}

function command({ name, settings, ...rest }) {
  const entries = Object.entries({ ...settings, ...rest });
  return h(
    "li",
    {},
    h("strong", {}, name),
    entries.length > 0 && h("dl", { class: "settings" }, entries.map(([key, value]) => h("div", {}, h("dt", {}, key), h("dd", {}, h("code", {}, shown(value)))))),
  );
}

/** A list of arguments as one would type it; what is no text as JSON. */
function shown(value) {
  if (typeof value === "string") return value || "“”";
  if (Array.isArray(value) && value.length && value.every((one) => typeof one === "string")) return value.map(quoted).join(" ");
  return JSON.stringify(value, null, 1);
}

const quoted = (word) => (/^[\w@%+=:,./{}*-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

function facts(task) {
  const rows = [
    ["Asks for", [task.task_type, ...task.tags].join(", ")],
    ["Reads", task.inputs.length > 0 && h("span", {}, task.inputs.map((input, at) => [at > 0 && ", ", given(input)]))],
    ["Is to leave", task.outputs.join(", ")],
    ["At most", task.max_seconds && duration(task.max_seconds)],
    ["Ends when silent for", task.idle_seconds && duration(task.idle_seconds)],
  ];
  return h("dl", { class: "facts" }, rows.filter(([, value]) => value).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

const given = (input) =>
  input.name.endsWith("/") ? `the files of ${input.name}` : h("a", { href: contentUrl(input.blob), download: input.name }, input.name, input.size !== null && ` (${bytes(input.size)})`);

const file = (one) =>
  h("li", {}, h("a", { href: contentUrl(one.blob), download: one.name.split("/").pop() }, one.name), h("span", { class: "faint" }, bytes(one.size)));
