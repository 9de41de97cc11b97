// A form for the settings of a job type, made from its JSON schema: one field for each setting, by its kind.

import { freshId, h } from "./dom.js";
import { bytes, number, plural } from "./format.js";
import { preview } from "./frames.js";
import { upload } from "./upload.js";

/** definitions: of the document, by name. Gives { element, read(signal) -> settings (uploads files), mark(problems) }. */
export function schemaForm(schema, definitions) {
  const required = new Set(schema.required ?? []);
  const names = Object.keys(schema.properties ?? {}).filter((name) => !schema.properties[name].readOnly);
  const fields = names.map((name) => field(name, resolved(schema.properties[name], definitions), required.has(name)));
  const [needed, optional] = [fields.filter((one) => required.has(one.name)), fields.filter((one) => !required.has(one.name))];
  return {
    element: h(
      "div",
      { class: "stack" },
      needed.map((one) => one.element),
      optional.length > 0 &&
        h("details", { class: "optional", open: needed.length === 0 }, h("summary", {}, plural(optional.length, "more setting")), h("div", { class: "fields" }, optional.map((one) => one.element))),
    ),
    async read(signal) {
      const settings = {};
      for (const one of fields) {
        const value = await one.read(signal);
        if (value !== undefined) settings[one.name] = value;
      }
      return settings;
    },
    mark(problems) {
      for (const one of fields) {
        const keys = Object.keys(problems).filter((key) => key.replace(/^settings\./, "").split(".")[0] === one.name);
        one.mark(keys.map((key) => problems[key]).join("; "));
        for (const key of keys) delete problems[key];
      }
    },
  };
}

/** Without references, and without the "or null" that only says that a setting may be left out. */
function resolved(schema, definitions) {
  const found = schema.$ref ? { ...definitions[schema.$ref.split("/").pop()], ...schema, $ref: undefined } : schema;
  const choices = (found.anyOf ?? []).filter((one) => one.type !== "null");
  if (choices.length === 1) return { ...found, ...resolved(choices[0], definitions), anyOf: undefined };
  return choices.length ? { ...found, ...choices[0] } : found;
}

const BLOB = "^[1-9][0-9]{0,15}$";
const isBlob = (schema) => schema.pattern === BLOB || schema["x-blob"];

function field(name, schema, isRequired) {
  const id = freshId("setting");
  const kind = kindOf(name, schema);
  const control = CONTROLS[kind](id, schema, isRequired);
  const problem = h("p", { class: "problem", id: `${id}-problem`, role: "alert" });
  const label = h("label", { for: id }, titled(name), isRequired && h("span", { class: "faint" }, " (needed)"));
  const isChoice = kind === "yes";
  const told = hint(schema, kind, `${id}-hint`);
  describe(control.input, told);
  return {
    name,
    element: h(
      "div",
      { class: `field ${isChoice ? "choice" : ""}` },
      isChoice ? h("div", { class: "inline" }, control.element, label) : [label, control.element],
      told,
      problem,
    ),
    read: control.read,
    mark(text) {
      problem.textContent = text;
      control.input.setAttribute("aria-invalid", String(Boolean(text)));
      describe(control.input, text && problem, told);
    },
  };
}

/** For who does not see what stands below a field: the elements, those that are there, told with it. */
function describe(input, ...elements) {
  const ids = elements.filter(Boolean).map((element) => element.id);
  if (ids.length) input.setAttribute("aria-describedby", ids.join(" "));
  else input.removeAttribute("aria-describedby");
}

function kindOf(name, schema) {
  if (name === "frames" && schema.type === "string") return "frames";
  if (isBlob(schema)) return "file";
  if (schema.type === "object" && isBlob(schema.additionalProperties ?? {})) return "files";
  if (schema.enum) return "one";
  if (schema.type === "boolean") return "yes";
  if (schema.type === "integer" || schema.type === "number") return "number";
  if (schema.type === "array" && schema.items?.type === "string") return "lines";
  if (schema.type === "array" && schema.prefixItems?.length === 2 && schema.prefixItems.every((one) => one.type === "integer")) return "pair";
  return schema.type === "string" ? "text" : "json";
}

function hint(schema, kind, id) {
  const limits = [];
  if (kind === "number" && schema.minimum !== undefined) limits.push(`from ${number(schema.minimum)}`);
  if (kind === "number" && schema.maximum !== undefined) limits.push(`up to ${number(schema.maximum)}`);
  if (kind === "lines") limits.push("one per line");
  if (kind === "json") limits.push("as JSON");
  const text = [shown(schema.description, kind), capital(limits.join(" "))].filter(Boolean).join(" ");
  return text && h("p", { class: "faint hint", id }, text);
}

/** Descriptions are written for callers of the API: here nobody types the id of a blob, or null. */
function shown(text = "", kind = "") {
  const ours = kind.startsWith("file") ? text.replace(/\b(a) blob id, or /i, "$1 file, or ") : text;
  return ours.replace(/^None: /, "Left empty: ").replaceAll(/`([^`]*)`/g, "“$1”");
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const titled = (name) => capital(name).replaceAll("_", " ");
const fallback = (schema) => (schema.default === undefined || schema.default === null ? "" : String(schema.default));

/** Each gives { element, input, read }; read() gives undefined for what was left out. */
const CONTROLS = {
  text(id, schema, required) {
    const input = h("input", { id, type: "text", required, value: fallback(schema), maxlength: schema.maxLength });
    return { element: input, input, read: () => input.value.trim() || undefined };
  },
  number(id, schema, required) {
    const step = schema.type === "integer" ? 1 : "any";
    const input = h("input", { id, type: "number", required, step, min: schema.minimum, max: schema.maximum, value: fallback(schema) });
    return { element: input, input, read: () => (input.value === "" ? undefined : Number(input.value)) };
  },
  yes(id, schema) {
    const input = h("input", { id, type: "checkbox", checked: schema.default === true });
    return { element: input, input, read: () => (input.checked === (schema.default ?? false) ? undefined : input.checked) };
  },
  one(id, schema, required) {
    const words = required || schema.default ? schema.enum : ["", ...schema.enum];
    const input = h("select", { id }, words.map((word) => h("option", { value: word, selected: word === schema.default }, word || "as the file says")));
    return { element: input, input, read: () => input.value || undefined };
  },
  lines(id, schema, required) {
    const input = h("textarea", { id, required, rows: 3, value: (schema.default ?? []).join("\n") });
    const read = () => {
      const lines = input.value.split("\n").filter((line) => line.trim());
      return lines.length ? lines : undefined;
    };
    return { element: input, input, read };
  },
  pair(id, schema, required) {
    const [input, second] = [{ id }, { "aria-label": "and the second number" }].map((more) => h("input", { type: "number", step: 1, required, ...more }));
    // One without the other is for the farm to refuse, beside this field.
    const read = () => (input.value || second.value ? [input, second].filter((one) => one.value).map((one) => Number(one.value)) : undefined);
    return { element: h("div", { class: "inline" }, input, "×", second), input, read };
  },
  json(id, schema, required) {
    const input = h("textarea", { id, required, rows: 6, value: schema.default ? JSON.stringify(schema.default) : "" });
    return { element: input, input, read: () => (input.value.trim() ? parsed(input.value) : undefined) };
  },
  frames(id, schema, required) {
    const input = h("input", { id, type: "text", required, placeholder: "1-250, 300, 310-320x2" });
    const told = h("p", { class: "faint hint", role: "status" });
    input.addEventListener("input", () => {
      const { count, first, last, problem } = preview(input.value);
      told.textContent = problem ?? (count ? `${plural(count, "frame")}: ${first.join(", ")}${count > first.length ? ` … ${last}` : ""}` : "");
    });
    return { element: h("div", {}, input, told), input, read: () => input.value.trim() || undefined };
  },
  file(id, schema, required) {
    const input = h("input", { id, type: "file", required: required && !schema["x-blob"] });
    const orElse = schema["x-blob"] && h("input", { type: "text", "aria-label": "or a path on shared storage", placeholder: "or a path on shared storage" });
    const meter = progressMeter();
    const read = async (signal) => {
      const [chosen] = input.files;
      return chosen ? upload(chosen, (...how) => meter.show(chosen, ...how), { signal }) : (orElse && orElse.value.trim()) || undefined;
    };
    return { element: h("div", { class: "stack tight" }, input, orElse, meter.element), input, read };
  },
  files(id) {
    const input = h("input", { id, type: "file", multiple: true });
    const meter = progressMeter();
    const read = async (signal) => {
      const stored = {};
      for (const chosen of input.files) stored[chosen.name] = await upload(chosen, (...how) => meter.show(chosen, ...how), { signal });
      return input.files.length ? stored : undefined;
    };
    return { element: h("div", { class: "stack tight" }, input, meter.element), input, read };
  },
};

function progressMeter() {
  const text = h("p", { class: "faint hint", role: "status" });
  const bar = h("progress", { max: 1, hidden: true, "aria-label": "How far the upload is" });
  return {
    element: h("div", {}, bar, text),
    show(file, what, share) {
      bar.hidden = share >= 1;
      bar.value = share;
      const words = `${file.name} (${bytes(file.size)}): ${what}${share < 1 ? `, ${Math.floor(share * 100)} %` : ""}`;
      if (text.textContent !== words) text.textContent = words;
    },
  };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text; // the farm says what is wrong with it, beside this field
  }
}
