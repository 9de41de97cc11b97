// The tasks of a job on its page: each step as a strip, and the list of them, which a closer look at a strip moves along.

import { h, replace } from "./dom.js";
import { duration, number, plural, seconds, status } from "./format.js";
import { complain } from "./notices.js";
import { filter, href } from "./router.js";
import { Rows } from "./rows.js";
import { strip } from "./strip.js";
import { TasksOfJob } from "./tasks_of_job.js";

const WORDS = ["", "active", "failed", "queued", "waiting", "completed", "canceled", "paused"];
const MOST_STRIPS = 6;
const ROW = 40;
const MOST_ROWS = 12;

/** id: the job's. query: of the URL: `tasks` is a status, `look` a part of a step: "2.100-199". */
export function jobTasks(id, query) {
  const tasks = new TasksOfJob(id);
  let asked = null;
  /** Said once of each page that cannot be read, however often somebody scrolls meanwhile. Of a job that is not there
   * the page around says so. */
  const more = () => {
    const reading = tasks.more();
    if (reading && reading !== asked) reading.catch((error) => error.status !== 404 && complain(error));
    asked = reading;
  };
  const strips = new Map();
  const heading = h("h2", {}, "Tasks");
  const stripsPlace = h("div", { class: "stack" });
  const chooser = h("label", { class: "inline", hidden: true });
  const chips = h("div", { class: "chips", role: "group", "aria-label": "Status of tasks" });
  const told = h("p", { class: "faint hint", role: "status" });
  const rows = new Rows({ label: "Tasks", className: "tasks", rowHeight: ROW, key: (task) => task.id, columns: COLUMNS, onEnd: more });
  const element = h("div", { class: "card stack" }, heading, chooser, stripsPlace, chips, rows.element, told);
  let job = null;
  let [wanted, look] = chosen(query);
  let single = 0;

  function draw() {
    const items = tasks.items;
    rows.show(items);
    rows.element.style.height = `${Math.min(Math.max(items.length, 1), MOST_ROWS) * ROW + 44}px`;
    rows.element.hidden = tasks.isEnded && !items.length;
    told.textContent = inWords(tasks, items.length, look);
    if (job) drawChips();
  }

  function drawChips() {
    const all = Object.values(job.counts).reduce((sum, count) => sum + count, 0);
    const words = WORDS.filter((word) => !word || job.counts[word] || word === wanted);
    const held = chips.contains(document.activeElement) && document.activeElement.dataset.status;
    replace(chips, words.map((word) => chip(word, wanted, word ? job.counts[word] : all)));
    if (held !== false) chips.querySelector(`[data-status="${held}"]`)?.focus();
    heading.textContent = all ? plural(all, "task") : "Tasks";
  }

  /** One for each step; of many steps the one that was chosen. */
  function drawStrips() {
    const begun = job.steps.map((step, index) => ({ ...step, index })).filter((step) => step.count);
    const isMany = begun.length > MOST_STRIPS;
    const shown = isMany ? begun.filter((step) => step.index === (look?.step ?? single)) : begun;
    chooser.hidden = !isMany;
    if (isMany && chooser.dataset.steps !== String(begun.length)) drawChooser(begun);
    for (const [index, one] of strips) if (!shown.some((step) => step.index === index)) drop(index, one);
    for (const step of shown) {
      if (!strips.has(step.index)) strips.set(step.index, made(step));
      strips.get(step.index).look(look?.step === step.index ? look : null);
    }
    const order = shown.map((step) => strips.get(step.index).element);
    if (order.some((one, at) => stripsPlace.children[at] !== one)) replace(stripsPlace, order);
    return shown;
  }

  const made = (step) =>
    strip({
      job: id,
      step,
      onRange: (range) => filter({ look: range && `${step.index}.${range.first + 1}-${range.last}` }),
      onTask: (task) => (location.hash = href("tasks", task)),
    });

  function drop(index, one) {
    one.close();
    one.element.remove();
    strips.delete(index);
  }

  function drawChooser(begun) {
    chooser.dataset.steps = begun.length;
    const choose = (event) => {
      single = Number(event.target.value);
      filter({ look: null });
      drawStrips();
    };
    const options = begun.map((step) => h("option", { value: step.index, selected: step.index === (look?.step ?? single) }, step.name));
    replace(chooser, "Step", h("select", { onchange: choose }, options));
  }

  const cursor = () => (look ? `${look.step}.${look.first}` : null);
  tasks.choose(wanted, cursor());
  tasks.addEventListener("change", draw);
  return {
    element,
    /** The job as it is now. */
    async show(now) {
      job = now;
      const shown = drawStrips();
      drawChips();
      const list = tasks.pages.length ? tasks.refresh(rows.first, rows.last) : (asked = tasks.more());
      await Promise.all([list, ...shown.map((step) => strips.get(step.index).refresh(step.count))]);
    },
    filter(next) {
      [wanted, look] = chosen(next);
      tasks.choose(wanted, cursor());
      rows.element.scrollTop = 0;
      more();
      if (job) drawStrips();
      draw();
    },
    close() {
      rows.close();
      for (const [index, one] of strips) drop(index, one);
    },
  };
}

const COLUMNS = [
  { key: "name", title: "Task", cell: (task) => h("a", { href: href("tasks", task.id) }, task.name) },
  { key: "status", title: "Status", cell: (task) => [status(task.status), task.status === "active" && ` ${task.progress} %`] },
  { key: "type", title: "Type", className: "wide", cell: (task) => task.task_type },
  { key: "attempts", title: "Attempts", className: "number wide", cell: (task) => task.attempts.length || "" },
  { key: "took", title: "Took", className: "number", cell: took },
  { key: "said", title: "Last words", className: "wide", cell: (task) => task.activity ?? task.attempts.at(-1)?.error ?? "" },
];

function chosen(query) {
  const [, step, first, last] = /^(\d{1,4})\.(\d{1,8})-(\d{1,8})$/.exec(query.get("look") ?? "") ?? [];
  const look = Number(first) >= 1 && Number(last) >= Number(first) ? { step: Number(step), first: first - 1, last: Number(last) } : null;
  return [query.get("tasks") ?? "", look];
}

const chip = (word, wanted, count) =>
  h(
    "button",
    { class: "chip", "aria-pressed": String(word === wanted), "data-status": word, onclick: () => filter({ tasks: word }) },
    word && h("span", { class: `cell-of is-${word}`, "aria-hidden": "true" }),
    word || "all",
    h("span", { class: "tally" }, number(count ?? 0)),
  );

function inWords(tasks, count, look) {
  if (!tasks.isEnded) return count ? `${number(count)} read; more come as you scroll.` : "Reading the tasks…";
  if (count) return "";
  if (tasks.status) return `No task ${look ? "from there on " : ""}is ${tasks.status}.`;
  return "No tasks yet: they are made when their step begins.";
}

function took(task) {
  const last = task.attempts.at(-1);
  return last ? duration(seconds(last.started_at, last.ended_at)) : "";
}
