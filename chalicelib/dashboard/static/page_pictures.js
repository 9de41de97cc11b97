// The newest picture of each job that made some, the newest first: the small one that its worker made, or the file itself.

import { get } from "./api.js";
import { h, replace } from "./dom.js";
import { status, time } from "./format.js";
import { live } from "./live.js";
import { isPicture, isRendered, lastRendered, picture, smallPicture } from "./pictures.js";
import { href } from "./router.js";

const JOBS = 200;
const LOOK_AT_MOST_EVERY_SECONDS = 5;

export function openPictures() {
  const wall = h("div", { class: "wall" });
  const empty = h("div", { class: "empty" }, h("p", {}, "Looking for pictures…"));
  const shown = new Map();
  let next = 0;
  let closed = false;

  async function read() {
    if (Date.now() < next) return;
    next = Date.now() + LOOK_AT_MOST_EVERY_SECONDS * 1000;
    try {
      const { items } = await get(`/jobs?limit=${JOBS}`);
      for (const job of items) if (!closed) await show(job);
      const listed = items.filter((job) => shown.has(job.id)).map((job) => shown.get(job.id));
      const order = listed.sort((a, b) => b.at - a.at).map((one) => one.element);
      if (order.some((element, index) => wall.children[index] !== element)) replace(wall, order);
      if (!order.length) replace(empty, h("h2", {}, "No pictures yet"), h("p", {}, "Jobs whose outputs are images or videos show the newest of them here."));
      empty.hidden = order.length > 0;
    } catch (error) {
      replace(empty, h("p", {}, error.message));
    }
  }

  async function show(job) {
    const files = await outputs(job);
    const state = `${files.findLast(isRendered)?.blob} ${job.status}`;
    if (!files.some(isRendered) || shown.get(job.id)?.state === state) return;
    const small = await lastRendered(job.id);
    const last = small ?? files.findLast(isPicture);
    if (!last) return;
    const alt = `${last.name} of ${job.name}`;
    const element = h(
      "a",
      { class: "card frame", href: href("jobs", job.id) },
      small ? smallPicture(small, alt, "(max-width: 600px) 100vw, 22rem") : picture(last, alt),
      h("span", { class: "caption" }, h("strong", {}, job.name), status(job.status)),
      h("span", { class: "caption faint" }, h("span", {}, last.name), small && time(small.at)),
    );
    shown.set(job.id, { state, element, at: new Date(small?.at ?? job.finished_at ?? job.created_at) });
  }

  live.addEventListener("changes", read);
  read();
  return {
    element: h("section", { class: "page" }, h("h1", {}, "Last rendered"), wall, empty),
    close() {
      closed = true;
      live.removeEventListener("changes", read);
    },
  };
}

/** A job that has ended has them in the list already. */
async function outputs(job) {
  if (job.finished_at || !job.counts.completed) return job.outputs;
  return (await get(`/jobs/${job.id}/outputs?limit=100`)).items;
}
