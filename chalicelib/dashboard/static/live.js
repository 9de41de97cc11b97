// The deltas loop: one call, again and again, that tells what changed since the last. It rests in hidden tabs, goes
// slower where nothing happens, and slower still where nobody answers.

import { get } from "./api.js";
import { jobs, workers } from "./store.js";

const SLOWEST_SECONDS = 15;
/** No answer (0), one of something in between, or that the farm has no time: what is shown grows old. */
const DOWN = [0, 429, 502, 503, 504];

/** Events: "changes" with the answer as detail; "restart" where changes were missed, so that what is shown is to be read
 * again; "down" and "up" as the farm stops and begins to answer. */
export const live = new EventTarget();

let cursor = null;
let seconds = 2;
let isDown = false;
let ended = false;
let wake = () => {};

/** To be awaited before any list is read: what changes from then on is told. */
export const begin = () => once();

export async function follow() {
  document.addEventListener("visibilitychange", () => wake());
  while (!ended) {
    await pause(seconds);
    if (document.hidden) await new Promise((resolve) => (wake = resolve));
    if (!ended) await once();
  }
}

/** Nobody is signed in any more: there is nothing to ask for. */
export function end() {
  ended = true;
  wake();
}

/** After an action of this person: look at once, not when the turn comes. */
export function soon() {
  seconds = 0.5;
  wake();
}

async function once() {
  try {
    const answer = await get(cursor === null ? "/changes" : `/changes?since=${encodeURIComponent(cursor)}`);
    cursor = answer.next;
    if (answer.restart) startAnew();
    else apply(answer);
    if (isDown) tell("up");
    isDown = false;
  } catch (error) {
    if (DOWN.includes(error.status) && !isDown) {
      isDown = true;
      tell("down");
    }
    seconds = Math.min(SLOWEST_SECONDS, Math.max(2, seconds * 1.5));
  }
}

function apply({ jobs: changed = [], workers: seen = [], gone = [], poll_seconds: poll = 2 }) {
  jobs.put(changed);
  workers.put(seen);
  jobs.drop(gone);
  workers.drop(gone);
  const happened = changed.length + seen.length + gone.length;
  seconds = happened ? poll : Math.min(SLOWEST_SECONDS, Math.max(poll, seconds * 1.1));
  if (happened) tell("changes", { jobs: changed, workers: seen, gone });
}

/** The farm forgets what changed after a while. A page that slept longer reads all it shows again, once. */
function startAnew() {
  for (const collection of [jobs, workers]) {
    const wanted = collection.loading !== null;
    collection.forget();
    if (wanted) collection.load();
  }
  tell("restart");
}

const tell = (name, detail) => live.dispatchEvent(new CustomEvent(name, { detail }));

const pause = (wanted) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, wanted * 1000);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
