// A new job: its type, what every job has, and the type's own settings.

import { get, Problem, post } from "./api.js";
import { h, replace } from "./dom.js";
import { complain, notice } from "./notices.js";
import { href } from "./router.js";
import { schemaForm } from "./schema_form.js";
import { jobs, may } from "./store.js";

const TYPES = {
  transcode: "Convert a video on all workers at once",
  "blender-render": "Frames of a .blend file",
  "blender-render-tiles": "One still of a .blend file, in tiles",
  frames: "Any program, once for each frame",
  function: "A piece of code on an input",
  commands: "Tasks written out, as JSON",
  command: "One program, once, on one worker",
  openjd: "A template of Open Job Description",
};

let described = null;
const describe = () => (described ??= get("/openapi.json").catch((error) => ((described = null), Promise.reject(error))));

export function openSubmit(place) {
  const element = h("section", { class: "page" }, h("h1", {}, "Submit a job"));
  if (!may("submit")) {
    element.append(h("p", {}, "Your token does not allow to submit jobs. Ask for one with scope “submit”."));
    return { element };
  }
  const common = commonFields();
  const forms = new Map();
  let schemas = null;

  /** What was filled in stays when another type is looked at: what every job has, and each type's own. */
  function draw(wanted) {
    const types = schemas.JobWanted.properties.settings["x-job-types"];
    const known = Object.keys(TYPES).filter((type) => types[type]);
    const names = [...known, ...Object.keys(types).filter((type) => !TYPES[type])];
    const type = Object.hasOwn(types, wanted) ? wanted : names[0];
    if (!forms.has(type)) forms.set(type, form(type, schemaForm(schemas[types[type].$ref.split("/").pop()], schemas), common));
    replace(
      element,
      h("h1", {}, "Submit a job"),
      h("nav", { class: "types", "aria-label": "Job types" }, names.map((name) => typeLink(name, name === type))),
      forms.get(type).element,
    );
    forms.get(type).opened();
  }

  let wanted = place.id;
  let closed = false;
  describe()
    .then((document) => {
      ({ schemas } = document.components);
      if (!closed) draw(wanted);
    })
    .catch((error) => element.append(h("p", { class: "problem" }, error.message)));
  return {
    element,
    isFor: (next) => next.name === place.name,
    update(next) {
      wanted = next.id;
      if (!schemas) return;
      const held = element.querySelector("nav").contains(document.activeElement);
      draw(wanted);
      if (held) element.querySelector("[aria-current]").focus();
    },
    close() {
      closed = true;
      for (const one of forms.values()) one.leave();
    },
  };
}

const typeLink = (name, isChosen) =>
  h("a", { class: "card type", href: href("submit", name), "aria-current": isChosen && "page" }, h("strong", {}, name), h("span", { class: "faint" }, TYPES[name] ?? ""));

function commonFields() {
  const field = (label, input, hint, isNeeded = false) => ({
    input,
    element: h("div", { class: "field" }, h("label", { for: input.id }, label, isNeeded && h("span", { class: "faint" }, " (needed)")), input, hint && h("p", { class: "faint hint" }, hint)),
  });
  const number = (id, properties) => h("input", { id, type: "number", ...properties });
  const ends = h("input", { id: "job-stop", type: "checkbox" });
  return {
    name: field("Name", h("input", { id: "job-name", type: "text", required: true, maxlength: 200, placeholder: "what you will look for later" }), null, true),
    priority: field("Priority", number("job-priority", { min: 0, max: 100, value: 50, required: true }), "0 to 100, higher first"),
    tags: field("Tags", h("input", { id: "job-tags", type: "text", placeholder: "gpu, -laptop" }), "x: the worker must have tag x; -x: must not have it; ~x: had better have it"),
    retries: field("Retries of each task", number("job-retries", { min: 0, max: 100, value: 3, required: true })),
    most: field("Tasks at once", number("job-most", { min: 1, placeholder: "all" }), "At most; all: as many as there are workers"),
    ends: { input: ends, element: h("div", { class: "field choice" }, h("div", { class: "inline" }, ends, h("label", { for: ends.id }, "The first task that fails for good ends the job"))) },
  };
}

/** What the farm wants to know of any job, as it stands in the fields. */
function asked({ name, priority, tags, retries, most, ends }) {
  return {
    name: name.input.value,
    priority: Number(priority.input.value),
    tags: tags.input.value.split(",").map((tag) => tag.trim()).filter(Boolean),
    max_retries: Number(retries.input.value),
    ...(most.input.value && { max_workers: Number(most.input.value) }),
    on_failure: ends.input.checked ? "stop" : "continue",
  };
}

/** The form of one type. The common fields are those of all forms: they are where a form was opened last. */
function form(type, settings, common) {
  const problem = h("p", { class: "problem", role: "alert" });
  const button = h("button", { class: "primary" }, "Submit");
  const stop = h("button", { type: "button", hidden: true, onclick: () => giveUp() }, "Cancel");
  const first = h("div");
  const rest = h("div", { class: "fields" });
  let running = null;
  let isAsked = false;
  /** What was sent last, and its key: sent again, because no answer came, it is the same job. */
  let sent = { text: null, key: null };

  function giveUp() {
    const maybe = "It was given up while the farm was being asked: the job may be there. The same, submitted again, makes no second one.";
    running?.abort(new Problem(isAsked ? maybe : "Nothing was submitted."));
  }

  async function ask(signal) {
    const body = { ...asked(common), type, settings: await settings.read(signal) };
    const text = JSON.stringify(body);
    if (text !== sent.text) sent = { text, key: freshKey() };
    isAsked = true;
    const job = await post("/jobs", body, { signal, headers: { "Idempotency-Key": sent.key } });
    sent = { text: null, key: null };
    return job;
  }

  async function submit(event) {
    event.preventDefault();
    problem.textContent = "";
    settings.mark({});
    button.disabled = true;
    button.textContent = "Submitting…";
    running = new AbortController();
    isAsked = false;
    stop.hidden = false;
    window.addEventListener("beforeunload", stay);
    try {
      const job = await ask(running.signal);
      const { steps, ...listed } = job;
      jobs.put([listed]);
      notice(`“${job.name}” is submitted.`);
      if (element.isConnected) location.hash = href("jobs", job.id);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (!element.isConnected) complain(error);
      const fields = { ...error.fields };
      settings.mark(fields);
      const rest = Object.entries(fields).map(([field, text]) => `${field}: ${text}`);
      problem.textContent = Object.keys(error.fields).length ? rest.join("; ") || "Look at the fields that are marked." : error.message;
      event.target.querySelector("[aria-invalid=true]")?.focus();
    } finally {
      button.disabled = false;
      button.textContent = "Submit";
      stop.hidden = true;
      running = null;
      window.removeEventListener("beforeunload", stay);
    }
  }

  const element = h(
    "form",
    { class: "card stack form", onsubmit: submit },
    h("h2", {}, type),
    first,
    settings.element,
    h("details", { class: "optional" }, h("summary", {}, "Priority, tags and failures"), rest),
    problem,
    h("div", { class: "buttons" }, button, stop),
  );
  return {
    element,
    opened() {
      const { name, ...others } = common;
      replace(first, name.element);
      replace(rest, Object.values(others).map((one) => one.element));
    },
    /** The page is left: files that nobody could stop any more are not sent on; what the farm was asked, it answers. */
    leave() {
      if (!isAsked) running?.abort(new Problem("The page was left before all files were sent: nothing was submitted."));
    },
  };
}

/** As crypto.randomUUID, which browsers have at https only. */
const freshKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Who leaves in the middle of an upload is asked by the browser. */
const stay = (event) => event.preventDefault();
