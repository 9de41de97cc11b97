// A new job: its type, what every job has, and the type's own settings.

import { get, Problem, post } from "./api.js";
import { h, replace } from "./dom.js";
import { notice } from "./notices.js";
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
  describe()
    .then((document) => draw(element, document, place.id))
    .catch((error) => element.append(h("p", { class: "problem" }, error.message)));
  return { element };
}

function draw(element, document, wanted) {
  const { schemas } = document.components;
  const types = schemas.JobWanted.properties.settings["x-job-types"];
  const known = Object.keys(TYPES).filter((type) => types[type]);
  const names = [...known, ...Object.keys(types).filter((type) => !TYPES[type])];
  const type = types[wanted] ? wanted : names[0];
  const settings = schemaForm(schemas[types[type].$ref.split("/").pop()], schemas);
  replace(
    element,
    h("h1", {}, "Submit a job"),
    h("nav", { class: "types", "aria-label": "Job types" }, names.map((name) => typeLink(name, name === type))),
    form(type, settings),
  );
}

const typeLink = (name, isChosen) =>
  h("a", { class: "card type", href: href("submit", name), "aria-current": isChosen && "page" }, h("strong", {}, name), h("span", { class: "faint" }, TYPES[name] ?? ""));

function form(type, settings) {
  const name = h("input", { id: "job-name", type: "text", required: true, maxlength: 200, placeholder: "what you will look for later" });
  const priority = h("input", { id: "job-priority", type: "number", min: 0, max: 100, value: 50, required: true });
  const tags = h("input", { id: "job-tags", type: "text", placeholder: "gpu, -laptop" });
  const retries = h("input", { id: "job-retries", type: "number", min: 0, max: 100, value: 3, required: true });
  const most = h("input", { id: "job-most", type: "number", min: 1, placeholder: "as many as there are workers" });
  const ends = h("input", { id: "job-stop", type: "checkbox" });
  const problem = h("p", { class: "problem", role: "alert" });
  const button = h("button", { class: "primary" }, "Submit");
  const stop = h("button", { type: "button", hidden: true, onclick: () => running?.abort(new Problem("Nothing was submitted.")) }, "Cancel");
  let running = null;

  async function submit(event) {
    event.preventDefault();
    problem.textContent = "";
    settings.mark({});
    button.disabled = true;
    button.textContent = "Submitting…";
    running = new AbortController();
    stop.hidden = false;
    window.addEventListener("beforeunload", stay);
    try {
      const job = await post("/jobs", {
        name: name.value,
        type,
        priority: Number(priority.value),
        tags: tags.value.split(",").map((tag) => tag.trim()).filter(Boolean),
        max_retries: Number(retries.value),
        ...(most.value && { max_workers: Number(most.value) }),
        on_failure: ends.checked ? "stop" : "continue",
        settings: await settings.read(running.signal),
      });
      const { steps, ...listed } = job;
      jobs.put([listed]);
      notice(`“${job.name}” is submitted.`);
      location.hash = href("jobs", job.id);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const fields = { ...error.fields };
      settings.mark(fields);
      const rest = Object.entries(fields).map(([field, text]) => `${field}: ${text}`);
      problem.textContent = Object.keys(error.fields).length ? rest.join("; ") || "Look at the fields that are marked." : error.message;
      event.target.querySelector("[aria-invalid=true]")?.focus();
    } finally {
      button.disabled = false;
      button.textContent = "Submit";
      stop.hidden = true;
      window.removeEventListener("beforeunload", stay);
    }
  }

  const common = (label, field, hint) => h("div", { class: "field" }, h("label", { for: field.id }, label), field, hint && h("p", { class: "faint hint" }, hint));
  return h(
    "form",
    { class: "card stack form", onsubmit: submit },
    h("h2", {}, type),
    common("Name", name),
    settings.element,
    h(
      "details",
      { class: "optional" },
      h("summary", {}, "Priority, tags and failures"),
      h(
        "div",
        { class: "fields" },
        common("Priority", priority, "0 to 100, higher first"),
        common("Tags", tags, "x: the worker must have tag x; -x: must not have it; ~x: had better have it"),
        common("Retries of each task", retries),
        common("Tasks at once", most, "so that other jobs get their share"),
        h("div", { class: "field choice" }, h("div", { class: "inline" }, ends, h("label", { for: ends.id }, "The first task that fails for good ends the job"))),
      ),
    ),
    problem,
    h("div", { class: "buttons" }, button, stop),
  );
}

/** Who leaves in the middle of an upload is asked by the browser. */
const stay = (event) => event.preventDefault();
