// One worker: what it does, why it does nothing, when it sleeps, and what it is kept from.

import { get, post, put, remove } from "./api.js";
import { h, redraw, replace } from "./dom.js";
import { number, time } from "./format.js";
import { live, soon } from "./live.js";
import { complain, confirmed, notice } from "./notices.js";
import { missing } from "./page_job.js";
import { given, loadCell, machine, workerStatus } from "./page_workers.js";
import { href } from "./router.js";
import { sleepSchedule } from "./sleep_schedule.js";
import { may, workers } from "./store.js";

const LOOK_EVERY_SECONDS = 3;
const MOST_NAMED = 8;
/** Nobody calls any more: it can be taken off the list. */
const AWAY = ["offline", "lost"];
const ASKED = { awake: "Wake", asleep: "Put to sleep", offline: "Sign off" };

export function openWorker(place) {
  const head = h("div", { class: "filters" });
  const facts = h("div", { class: "card" });
  const why = h("div", { class: "card", hidden: true });
  const schedule = h("div", { class: "card" });
  const blocklist = h("div", { class: "card" });
  const body = [head, h("div", { class: "split" }, h("div", { class: "stack" }, facts, why, blocklist), schedule)];
  const element = h("section", { class: "page" }, body);
  const path = `/workers/${place.id}`;
  const names = new Map();
  let worker = null;
  let closed = false;

  async function read() {
    try {
      const now = await get(path);
      await Promise.all(now.tasks.slice(0, MOST_NAMED).map(name));
      if (closed) return;
      worker = now;
      if (!head.isConnected) replace(element, body);
      draw();
      drawBlocklist(blocklist, path, (await get(`${path}/blocklist`)).entries);
      if (!schedule.firstChild) {
        const hours = await get(`${path}/sleep-schedule`);
        if (!schedule.firstChild) replace(schedule, sleepSchedule(worker, hours, may("operate")));
      }
      why.hidden = worker.tasks.length > 0;
      if (!why.hidden) {
        const { reasons } = await get(`${path}/why`);
        replace(why, h("h2", {}, "Why it is idle"), h("ul", { class: "reasons" }, reasons.map((reason) => h("li", {}, reason.text))));
      }
    } catch (error) {
      // What is shown stays: the next look may find more.
      if (!closed && (worker === null || error.status === 404)) replace(element, missing(error, "worker", read));
    }
  }

  function draw() {
    drawHead(head, worker, ask, forget);
    drawFacts(facts, worker, names);
  }

  async function name(task) {
    if (names.has(task)) return;
    const found = await get(`/tasks/${task}`).catch(() => null);
    if (found) names.set(task, `${found.name} of ${found.job_name}`);
  }

  async function ask(status) {
    const running = worker.tasks.length;
    if (status === "offline") {
      const effect = `The agent on that machine ends${running ? ` once its ${number(running)} running tasks are done or given back` : ""}. It comes back only when somebody starts it there.`;
      if (!(await confirmed({ title: `Sign ${worker.name} off?`, content: [h("p", {}, effect)], act: "Sign it off" }))) return;
    }
    try {
      const before = worker.status;
      worker = await post(`${path}/status`, { status, lazy: true });
      workers.put([worker]);
      if (!closed) draw();
      const undo = status === "asleep" && before === "awake" && { text: "Undo", act: () => ask("awake") };
      notice(`${worker.name} is asked to be ${status}; it hears of it with its next call.`, { undo });
      soon();
    } catch (error) {
      complain(error);
    }
  }

  async function forget() {
    const effect = "It goes off the list. Its machine, started again with a token that holds, comes back as a new worker. This cannot be undone.";
    if (!(await confirmed({ title: `Forget ${worker.name}?`, content: [h("p", {}, effect)], act: "Forget it" }))) return;
    try {
      await remove(path);
      workers.drop([place.id]);
      notice(`${worker.name} is forgotten.`);
      location.hash = "#/workers";
    } catch (error) {
      complain(error);
    }
  }

  const timer = setInterval(() => !document.hidden && read(), LOOK_EVERY_SECONDS * 1000);
  const onChanges = ({ detail }) => detail.workers.some((changed) => changed.id === place.id) && read();
  live.addEventListener("changes", onChanges);
  live.addEventListener("restart", read);
  read();
  return {
    element,
    close() {
      closed = true;
      clearInterval(timer);
      live.removeEventListener("changes", onChanges);
      live.removeEventListener("restart", read);
    },
  };
}

function drawHead(head, worker, ask, forget) {
  document.title = `${worker.name} · Millrace`;
  const held = head.contains(document.activeElement) ? document.activeElement.textContent : null;
  const choices = Object.entries(ASKED).filter(([status]) => status !== (worker.status_requested ?? worker.status));
  const buttons = [
    ...choices.map(([status, title]) => h("button", { class: status === "offline" ? "danger" : "", onclick: () => ask(status) }, title)),
    AWAY.includes(worker.status) && h("button", { class: "danger", onclick: forget }, "Forget"),
  ];
  replace(
    head,
    h("a", { href: "#/workers", class: "up" }, "Workers"),
    h("h1", {}, worker.name),
    h("span", {}, workerStatus(worker)),
    may("operate") && h("div", { class: "buttons end" }, buttons),
  );
  if (held) [...head.querySelectorAll("button")].find((one) => one.textContent === held)?.focus();
}

function drawFacts(facts, worker, names) {
  const rows = [
    ["Runs", worker.tasks.length ? worker.tasks.map((task) => h("div", {}, h("a", { href: href("tasks", task) }, names.get(task) ?? `task ${task}`))) : "nothing"],
    ["Load", loadCell(worker)],
    ["Slots", worker.slots],
    ["Last contact", time(worker.last_contact_at)],
    ["Tags", given(worker.tags).join(", ") || "none"],
    ["Machine", machine(worker.tags) || "not told"],
    ["Takes", worker.task_types.join(", ") || "nothing"],
    ["Id", worker.id],
  ];
  redraw(facts, h("dl", { class: "facts" }, rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))));
}

function drawBlocklist(card, path, entries) {
  const allow = (entry) => async () => {
    try {
      // Of the list as it is now: what was added since it was drawn stays.
      const now = (await get(`${path}/blocklist`)).entries.map(({ job, task_type }) => ({ job, task_type }));
      const rest = now.filter(({ job, task_type }) => job !== entry.job || task_type !== entry.task_type);
      drawBlocklist(card, path, (await put(`${path}/blocklist`, { entries: rest })).entries);
      notice("The worker may take these tasks again.");
    } catch (error) {
      complain(error);
    }
  };
  const row = (entry) =>
    h(
      "li",
      {},
      h("span", {}, `${entry.task_type} of `, h("a", { href: href("jobs", entry.job) }, `job ${entry.job}`), ", since ", time(entry.created_at)),
      may("operate") && h("button", { onclick: allow(entry), "aria-label": `Allow ${entry.task_type} of job ${entry.job}` }, "Allow again"),
    );
  redraw(
    card,
    h("h2", {}, "Blocklist"),
    entries.length ? h("ul", { class: "files" }, entries.map(row)) : h("p", { class: "faint" }, "Nothing. After failures on three tasks of one job and type it gets no more of them, and they are listed here."),
  );
}
