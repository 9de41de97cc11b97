// SHA-256 of files and parts of them, in a worker beside the page.

import { Problem } from "./api.js";

let worker = null;
let ids = 0;
const waiting = new Map();

/** Gives the digest as hex. onProgress(bytes done). */
export function digestOf(blob, { onProgress = () => {}, signal } = {}) {
  worker ??= begun();
  const id = (ids += 1);
  return new Promise((resolve, reject) => {
    waiting.set(id, { onProgress, resolve, reject });
    signal?.addEventListener("abort", () => waiting.has(id) && stop(signal.reason), { once: true });
    worker.postMessage({ id, blob });
  });
}

function begun() {
  const made = new Worker(new URL("./hash_worker.js", import.meta.url), { type: "module" });
  made.onmessage = ({ data: { id, done, digest, error } }) => {
    const one = waiting.get(id);
    if (!one) return;
    if (done !== undefined) return void one.onProgress(done);
    waiting.delete(id);
    if (digest) one.resolve(digest);
    else one.reject(new Problem(`The file cannot be read: ${error}`));
  };
  made.onerror = () => stop(new Problem("The file cannot be read."));
  return made;
}

/** What is being read is not read to its end. */
function stop(reason) {
  worker?.terminate();
  worker = null;
  for (const one of waiting.values()) one.reject(reason);
  waiting.clear();
}
