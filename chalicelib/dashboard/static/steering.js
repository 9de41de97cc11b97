// What a person may do to jobs: which of them allow it, what is asked before, what is said after, and the way back.

import { get, patch, post, remove } from "./api.js";
import { h } from "./dom.js";
import { number, plural } from "./format.js";
import { soon } from "./live.js";
import { complain, confirmed, notice } from "./notices.js";
import { jobs } from "./store.js";

const AT_ONCE = 4;
const PATIENCE_SECONDS = 60;
const MOST_COUNTED_EXACTLY = 50;
const OPEN = ["queued", "active", "paused", "compiling"];

/** status lists: where the farm allows it; see the table of lifecycles. `undo` names the action that takes it back. */
export const ACTIONS = {
  pause: { title: "Pause", done: "paused", from: ["queued", "active"], undo: "resume" },
  resume: { title: "Resume", done: "resumed", from: ["paused"], undo: "pause" },
  retry: { title: "Retry", done: "queued again", from: ["failed", "canceled"], also: (job) => job.counts.failed > 0 },
  retryFailed: { title: "Retry failed tasks", done: "queued again", from: [], also: (job) => job.counts.failed > 0, asks: true, only: "failed" },
  cancel: { title: "Cancel", done: "canceled", from: OPEN, undo: "retryCanceled", asks: true },
  /** Only an undo: what had failed before the cancel stays failed. */
  retryCanceled: { title: "Retry what was canceled", done: "queued again", from: [], only: "canceled" },
  delete: { title: "Delete", done: "deleted", from: ["completed", "failed", "canceled"], asks: true },
};

export const allowing = (action, list) =>
  list.filter((job) => ACTIONS[action].from.includes(job.status) || ACTIONS[action].also?.(job));

/** Does it to those of the list that allow it. Gives { succeeded, failed }: jobs. Who answers no to a question: neither. */
export async function steer(action, list) {
  const chosen = allowing(action, list);
  const { asks, done, undo } = ACTIONS[action];
  if (!chosen.length || (asks && !(await confirmed(question(action, await counted(chosen)))))) return { succeeded: [], failed: [] };
  const { succeeded, failures } = await each(chosen, (job) => one(action, job));
  if (action === "delete") jobs.drop(succeeded.map((job) => job.id));
  if (succeeded.length) {
    const text = `${named(succeeded)} ${done}.`;
    notice(text, { undo: undo && { text: "Undo", act: () => takeBack(undo, succeeded) } });
  }
  complainOf(failures, done);
  soon();
  return { succeeded, failed: failures.map((failure) => failure.job) };
}

/** done: what could not be done to these. */
function complainOf(failures, done) {
  if (!failures.length) return;
  const [{ job, error }] = failures;
  if (failures.length === 1) complain(error);
  else notice(`${plural(failures.length, "job")} could not be ${done}. “${job.name}”: ${error.message}`, { isError: true });
}

/** most: how many tasks of the job may run at once; null: no limit. */
export async function limitAtOnce(job, most, again) {
  const before = job.max_workers;
  const set = async (value) => {
    try {
      await patch(`/jobs/${job.id}`, { max_workers: value });
      again();
      return true;
    } catch (error) {
      complain(error);
      return false;
    }
  };
  const said = most === null ? "as many tasks at once as there are workers" : `${plural(most, "task")} at once`;
  if (await set(most)) notice(`“${job.name}”: ${said}.`, { undo: { text: "Undo", act: () => set(before) } });
}

/** Runs one task of a job again, whatever became of it; asks first where finished work would be done anew. */
export async function retryTask(task) {
  try {
    const job = await get(`/jobs/${task.job}`);
    const later = following(job.steps, task.step).reduce((sum, step) => sum + step.completed + step.failed, 0);
    if (task.status === "completed" || later) {
      const content = [h("p", {}, effectOfRetry(task, later))];
      if (!(await confirmed({ title: `Run “${task.name}” again?`, content, act: "Run it again" }))) return false;
    }
    await post(`/tasks/${task.id}/retry`);
    notice(`“${task.name}” is queued again.`);
    soon();
    return true;
  } catch (error) {
    complain(error);
    return false;
  }
}

function effectOfRetry(task, later) {
  const own = task.status === "completed" ? "It has completed; what it left is replaced. " : "";
  return own + (later ? `${plural(later, "task")} of the steps that follow on it had ended, and run again too.` : "No other task is touched.");
}

/** The steps that wait for this one, directly or not. */
function following(steps, number) {
  const found = new Set([number]);
  steps.forEach((step, index) => step.parents.some((parent) => found.has(parent)) && found.add(index));
  return steps.filter((_, index) => index !== number && found.has(index));
}

export async function prioritise(list, priority) {
  const before = new Map(list.map((job) => [job.id, job.priority]));
  const set = (value, all = list) => each(all, (job) => keep(patch(`/jobs/${job.id}`, { priority: value(job) })));
  const { succeeded, failures } = await set(() => priority);
  const undo = { text: "Undo", act: () => set((job) => before.get(job.id), succeeded).then(({ failures: left }) => (complainOf(left, "changed back"), soon())) };
  if (succeeded.length) notice(`${named(succeeded)}: priority ${priority}.`, { undo });
  complainOf(failures, "changed");
  soon();
  return failures.map((failure) => failure.job);
}

/** Counts in lists may be a moment old, or not there yet: a question tells those of now. */
async function counted(list) {
  if (list.length > MOST_COUNTED_EXACTLY) return list;
  const now = new Map();
  await each(list, async (job) => now.set(job.id, await get(`/jobs/${job.id}`)));
  return list.map((job) => now.get(job.id) ?? job);
}

/** What was canceled can be retried once its running tasks have stopped, which takes as long as a worker is silent. */
async function takeBack(action, list) {
  const until = Date.now() + PATIENCE_SECONDS * 1000;
  const patiently = async (job) => {
    for (;;) {
      try {
        await one(action, job);
        break;
      } catch (error) {
        if (error.status !== 409 || Date.now() > until) throw error;
        await new Promise((resolve) => setTimeout(resolve, 2000));
      }
    }
    // `job` is as it was then: what stood paused before it was canceled stands again.
    if (action === "retryCanceled" && job.status === "paused") await one("pause", job);
  };
  const { succeeded, failures } = await each(list, patiently);
  if (succeeded.length) notice(`${named(succeeded)} ${ACTIONS[action].done}.`);
  complainOf(failures, ACTIONS[action].done);
  soon();
}

function one(action, job) {
  if (action === "delete") return remove(`/jobs/${job.id}`);
  const { only } = ACTIONS[action];
  return keep(only ? post(`/jobs/${job.id}/retry`, { only }) : post(`/jobs/${job.id}/${action}`));
}

/** The answer is the newest word on the job: show it before the deltas bring it. */
async function keep(answer) {
  const { steps, ...job } = await answer;
  jobs.put([job]);
}

function question(action, chosen) {
  const tasks = chosen.reduce((sum, job) => sum + affected(action, job.counts), 0);
  const running = chosen.reduce((sum, job) => sum + job.counts.active, 0);
  const subject = chosen.length === 1 ? `“${chosen[0].name}”` : plural(chosen.length, "job");
  if (action === "retryFailed") {
    const effect = `${plural(tasks, "task")} that failed run${tasks === 1 ? "s" : ""} again, with what was canceled because of that. All else stays as it is.`;
    return { title: `Retry what failed of ${subject}?`, content: [h("p", {}, effect)], act: `Retry ${plural(tasks, "task")}` };
  }
  const effect =
    action === "cancel"
      ? `${plural(tasks, "task")} will not be run${running ? `, ${number(running)} of them running now and stopped` : ""}. ` +
        "What is done stays. Retry takes it back."
      : `${plural(tasks, "task")}, with logs and outputs, are forgotten. This cannot be undone.`;
  const names = chosen.length > 1 && h("ul", { class: "names" }, chosen.slice(0, 8).map((job) => h("li", {}, job.name)));
  const more = chosen.length > 8 && h("p", {}, `and ${number(chosen.length - 8)} more`);
  const act = `${ACTIONS[action].title} ${chosen.length === 1 ? "the job" : plural(chosen.length, "job")}`;
  return { title: `${ACTIONS[action].title} ${subject}?`, content: [h("p", {}, effect), names, more], act };
}

function affected(action, counts) {
  const some = { cancel: ["waiting", "queued", "active", "paused"], retryFailed: ["failed"] };
  const words = some[action] ?? Object.keys(counts);
  return words.reduce((sum, word) => sum + counts[word], 0);
}

const named = (list) => (list.length === 1 ? `“${list[0].name}”` : plural(list.length, "job"));

async function each(list, act) {
  const succeeded = [];
  const failures = [];
  const rest = [...list];
  const worker = async () => {
    for (let job = rest.shift(); job; job = rest.shift()) {
      try {
        await act(job);
        succeeded.push(job);
      } catch (error) {
        failures.push({ job, error });
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return { succeeded, failures };
}
