// The tasks of a job on its page: each step as a strip, and the list of them, which a closer look at a strip moves along.

import { h, replace } from "./dom.js";
import { duration, number, plural, seconds, status } from "./format.js";
import { JobStrips } from "./job_strips.js";
import { complain } from "./notices.js";
import { filter, href } from "./router.js";
import { Rows } from "./rows.js";
import { TasksOfJob } from "./tasks_of_job.js";

const WORDS = ["", "active", "failed", "queued", "waiting", "completed", "canceled", "paused"];
const ROW = 40;
const MOST_ROWS = 12;

/** id: the job's. query: of the URL: `tasks` is a status, `look` a part of a step: "2.100-199". */
export function jobTasks(id, query) {
  const tasks = new TasksOfJob(id);
  const more = asking(tasks);
  const strips = new JobStrips(id);
  const chips = h("div", { class: "chips", role: "group", "aria-label": "Status of tasks" });
  const heading = h("h2", {}, "Tasks");
  const told = h("p", { class: "faint hint", role: "status" });
  const rows = new Rows({ label: "Tasks", className: "tasks", rowHeight: ROW, key: (task) => task.id, columns: COLUMNS, onEnd: more.orComplain });
  let job = null;
  let [wanted, look] = chosen(query);

  function drawList() {
    const items = tasks.items;
    rows.show(items);
    rows.element.style.height = `${Math.min(Math.max(items.length, 1), MOST_ROWS) * ROW + 44}px`;
    rows.element.hidden = tasks.isEnded && !items.length;
    told.textContent = inWords(tasks, items.length, look);
    if (job) drawCounts();
  }

  function drawCounts() {
    const all = Object.values(job.counts).reduce((sum, count) => sum + count, 0);
    drawChips(chips, job.counts, all, wanted);
    heading.textContent = all ? plural(all, "task") : "Tasks";
  }

  function choose() {
    tasks.choose(wanted, look ? `${look.step}.${look.first}` : null);
  }

  choose();
  tasks.addEventListener("change", drawList);
  return {
    element: h("div", { class: "card stack" }, heading, strips.elements, chips, rows.element, told),
    /** The job as it is now. */
    async show(now) {
      job = now;
      strips.show(job.steps, look);
      drawCounts();
      const list = tasks.pages.length ? tasks.refresh(rows.first, rows.last) : more.ask();
      await Promise.all([list, strips.refresh()]);
    },
    filter(next) {
      [wanted, look] = chosen(next);
      choose();
      rows.element.scrollTop = 0;
      more.orComplain();
      if (job) strips.show(job.steps, look);
      drawList();
    },
    close() {
      rows.close();
      strips.close();
    },
  };
}

/** The next page of tasks: asked for by the page, which says itself what is wrong, or because somebody scrolls. */
function asking(tasks) {
  let asked = null;
  return {
    ask: () => (asked = tasks.more()),
    /** Said once of each page that cannot be read, however often somebody scrolls meanwhile. Of a job that is not there
     * the page around says so. */
    orComplain() {
      const reading = tasks.more();
      if (reading && reading !== asked) reading.catch((error) => error.status !== 404 && complain(error));
      asked = reading;
    },
  };
}

/** Those of which there are tasks. Who is on one by keyboard stays there. */
function drawChips(chips, counts, all, wanted) {
  const words = WORDS.filter((word) => !word || counts[word] || word === wanted);
  const held = chips.contains(document.activeElement) && document.activeElement.dataset.status;
  replace(chips, words.map((word) => chip(word, wanted, word ? counts[word] : all)));
  if (held !== false) chips.querySelector(`[data-status="${held}"]`)?.focus();
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
