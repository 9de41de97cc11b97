// The newest picture of each job that made some, the newest first: the small one that its worker made, or the file itself.

import { get } from "./api.js";
import { h, replace } from "./dom.js";
import { status, time } from "./format.js";
import { live } from "./live.js";
import { isPicture, isRendered, lastRendered, picture, smallPicture } from "./pictures.js";
import { href } from "./router.js";
import { may } from "./store.js";

const JOBS = 200;
const AT_ONCE = 4;
const LOOK_AT_MOST_EVERY_SECONDS = 5;
/** For how long a job that had no picture yet is taken at its word, as long as nothing in it changes. */
const BELIEVED_SECONDS = 60;

export function openPictures() {
  const wall = h("div", { class: "wall" });
  const empty = h("div", { class: "empty" }, h("p", {}, "Looking for pictures…"));
  /** By job: what it was when it was looked at, its element (null: it had no picture), and when. */
  const known = new Map();
  let next = 0;
  let busy = false;
  let again = false;
  let timer = null;
  let closed = false;

  function look() {
    if (busy) again = true;
    else timer ??= setTimeout(read, Math.max(0, next - Date.now()));
  }

  async function read() {
    timer = null;
    busy = true;
    next = Date.now() + LOOK_AT_MOST_EVERY_SECONDS * 1000;
    try {
      const { items } = await get(`/jobs?limit=${JOBS}`);
      const rest = [...items];
      const lane = async () => {
        for (let job = rest.shift(); job && !closed; job = rest.shift()) {
          // One that was deleted meanwhile, or cannot be read now, keeps none of the others away.
          if (await show(job).catch(() => false)) arrange(items);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, lane));
      if (!closed) arrange(items);
      if (!wall.firstChild) replace(empty, h("h2", {}, "No pictures yet"), h("p", {}, "Jobs whose outputs are images or videos show the newest of them here."), may("submit") && h("a", { class: "button primary", href: "#/submit" }, "Submit a job"));
    } catch (error) {
      replace(empty, h("p", {}, error.message));
    }
    busy = false;
    if (again && !closed) look();
    again = false;
  }

  /** Gives whether there is another picture than before. */
  async function show(job) {
    const files = await outputs(job);
    const state = `${files.findLast(isRendered)?.blob} ${job.status}`;
    const before = known.get(job.id);
    if (!files.some(isRendered)) return false;
    if (before?.state === state && (before.element || Date.now() - before.lookedAt < BELIEVED_SECONDS * 1000)) return false;
    const small = await lastRendered(job.id);
    const last = small ?? files.findLast(isPicture);
    if (!last) {
      known.set(job.id, { state, element: null, lookedAt: Date.now() });
      return Boolean(before?.element);
    }
    const alt = `${last.name} of ${job.name}`;
    const element = h(
      "a",
      { class: "card frame", href: href("jobs", job.id) },
      small ? smallPicture(small, alt, "(max-width: 600px) 100vw, 22rem") : picture(last, alt),
      h("span", { class: "caption" }, h("strong", {}, job.name), status(job.status)),
      h("span", { class: "caption faint" }, h("span", {}, last.name), small && time(small.at)),
    );
    known.set(job.id, { state, element, at: new Date(small?.at ?? job.finished_at ?? job.created_at) });
    return true;
  }

  function arrange(items) {
    const shown = items.map((job) => known.get(job.id)).filter((one) => one?.element);
    const order = shown.sort((a, b) => b.at - a.at).map((one) => one.element);
    if (order.length !== wall.children.length || order.some((element, index) => wall.children[index] !== element)) replace(wall, order);
    empty.hidden = order.length > 0;
  }

  live.addEventListener("changes", look);
  live.addEventListener("restart", look);
  look();
  return {
    element: h("section", { class: "page" }, h("h1", {}, "Last rendered"), wall, empty),
    close() {
      closed = true;
      clearTimeout(timer);
      live.removeEventListener("changes", look);
      live.removeEventListener("restart", look);
    },
  };
}

/** A job that has ended has them in the list already. */
async function outputs(job) {
  if (job.finished_at || !job.counts.completed) return job.outputs;
  return (await get(`/jobs/${job.id}/outputs?limit=100`)).items;
}
