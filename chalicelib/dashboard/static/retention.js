// How long ended jobs are kept: what would go is told before it is decided.

import { get, put } from "./api.js";
import { h, replace } from "./dom.js";
import { number, plural, time } from "./format.js";
import { complain, confirmed, notice } from "./notices.js";
import { href } from "./router.js";

const MOST_COUNTED = 1000;

export function retentionCard(isAllowed) {
  const place = h("div", {}, h("p", { class: "faint" }, "Reading…"));
  const read = async () => {
    try {
      const { ended_jobs_days: days } = await get("/retention");
      replace(place, isAllowed ? form(days, read) : h("p", {}, inWords(days)));
    } catch (error) {
      replace(place, h("p", { class: "problem" }, error.message), h("button", { onclick: read }, "Try again"));
    }
  };
  read();
  return h("div", { class: "card stack" }, h("h2", {}, "Keeping jobs"), place);
}

const inWords = (days) => (days === null ? "Jobs are kept for ever." : `Jobs are deleted ${plural(days, "day")} after they have ended.`);

function form(days, read) {
  const isOn = h("input", { type: "checkbox", id: "retention-on", checked: days !== null });
  const field = h("input", { type: "number", id: "retention-days", min: 1, max: 3650, value: days ?? 30, disabled: days === null });
  const effect = h("div", { role: "status" });
  let asked = 0;

  async function tell() {
    field.disabled = !isOn.checked;
    const mine = (asked += 1);
    if (!isOn.checked || !field.checkValidity() || !field.value) return replace(effect);
    try {
      const found = await get(`/retention/preview?ended_jobs_days=${field.value}`);
      if (mine === asked) replace(effect, preview(found));
    } catch (error) {
      if (mine === asked) replace(effect, h("p", { class: "problem" }, error.message));
    }
    return null;
  }

  async function save(event) {
    event.preventDefault();
    const wanted = isOn.checked ? Number(field.value) : null;
    try {
      if (wanted !== null && !(await agreed(wanted))) return;
      await put("/retention", { ended_jobs_days: wanted });
      notice(inWords(wanted));
      await read();
    } catch (error) {
      complain(error);
    }
  }

  isOn.addEventListener("change", tell);
  field.addEventListener("input", tell);
  tell();
  return h(
    "form",
    { class: "stack", onsubmit: save },
    h("div", { class: "inline wraps" }, isOn, h("label", { for: isOn.id }, "Delete jobs"), field, h("label", { for: field.id }, "days after they have ended")),
    h("p", { class: "faint hint" }, "With their tasks, logs and pictures. Their files stay until content is pruned."),
    effect,
    h("div", { class: "buttons" }, h("button", {}, "Save")),
  );
}

function preview({ count, jobs }) {
  if (!count) return h("p", { class: "faint" }, "As of now, that deletes nothing.");
  const rest = count - jobs.length;
  return [
    h("p", {}, `As of now, that deletes ${many(count)}:`),
    h("ul", { class: "names" }, jobs.slice(0, 5).map((job) => h("li", {}, h("a", { href: href("jobs", job.id) }, job.name), " ended ", time(job.finished_at))), count > 5 && h("li", {}, `and ${number(rest + jobs.length - 5)} more`)),
  ];
}

const many = (count) => (count >= MOST_COUNTED ? `${number(count)} jobs or more` : plural(count, "job"));

async function agreed(days) {
  const { count, jobs } = await get(`/retention/preview?ended_jobs_days=${days}`);
  if (!count) return true;
  const tasks = jobs.reduce((sum, job) => sum + Object.values(job.counts).reduce((all, one) => all + one, 0), 0);
  const said = count > jobs.length ? `${plural(tasks, "task")} in the first ${number(jobs.length)} of them alone` : plural(tasks, "task");
  const content = [h("p", {}, `${many(count)} with ${said} are deleted within minutes, and from then on every job ${plural(days, "day")} after its end. There is no undo.`)];
  return confirmed({ title: "Delete old jobs?", content, act: `Delete ${many(count)}` });
}
