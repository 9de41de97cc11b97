// A file becomes a blob: digest, announcement, and signed requests that carry the bytes around the manager. Up to 5 GiB are
// one request; more goes in parts, several at a time. What breaks off is sent again, each part for itself.

import { post, Problem } from "./api.js";
import { digestOf } from "./digests.js";

const LARGEST_REQUEST_BYTES = 5 * 2 ** 30;
const PARTS_AT_ONCE = 4;
const TRIES = 5;
const FIRST_PAUSE_MILLISECONDS = 1000;
const AT_WORK_PAUSE_MILLISECONDS = 2000;

/** Gives the blob's id. onProgress(text, share from 0 to 1). Content that the farm knows is not sent again. */
export async function upload(file, onProgress, { signal, largestRequest = LARGEST_REQUEST_BYTES } = {}) {
  const share = (done) => (file.size ? done / file.size : 1);
  onProgress("reading", 0);
  const sha256 = await digestOf(file, { onProgress: (done) => onProgress("reading", share(done)), signal });
  const { id, upload: signed } = await post("/blobs", { size: file.size, sha256 }, { signal });
  const tell = (done) => onProgress("uploading", share(done));
  if (signed && file.size > largestRequest) await inParts(id, file, tell, signal);
  else if (signed) await patiently(() => send(signed, file, tell, signal), signal);
  onProgress("stored", 1);
  return id;
}

async function inParts(blob, file, onProgress, signal) {
  const path = `/blobs/${blob}/parts`;
  const { upload, part_bytes: size, parts: count } = await post(path, {}, { signal });
  if (upload === null) return;
  const sent = Array.from({ length: count }, () => 0);
  const numbers = [...sent.keys()];
  const parts = [];
  const one = async (at) => {
    const piece = file.slice(at * size, (at + 1) * size);
    const sha256 = await digestOf(piece, { signal });
    const etag = await patiently(async () => {
      const { parts: [signed] } = await post(`${path}/sign`, { upload, parts: [{ number: at + 1, sha256 }] }, { signal });
      return send(signed, piece, (done) => onProgress(((sent[at] = done), sum(sent))), signal);
    }, signal);
    parts[at] = { number: at + 1, sha256, etag };
  };
  const lane = async () => {
    for (let at = numbers.shift(); at !== undefined; at = numbers.shift()) await one(at);
  };
  try {
    await Promise.all(Array.from({ length: Math.min(PARTS_AT_ONCE, count) }, lane));
    await patiently(() => post(`${path}/complete`, { upload, parts }, { signal }), signal);
  } catch (error) {
    numbers.length = 0;
    post(`${path}/abort`, { upload }).catch(() => {}); // the store forgets it by itself, later
    throw error;
  }
}

const sum = (numbers) => numbers.reduce((all, one) => all + one, 0);

/**
 * What a broken connection or a busy store let fail is tried again; what was refused is not. While the farm says that it
 * is at work on just this, however long (joining tens of GB takes minutes), it is asked again.
 */
async function patiently(act, signal) {
  for (let failed = 1; ; failed += 1) {
    try {
      return await act();
    } catch (error) {
      const isPassing = error instanceof Problem && (error.status === 0 || error.status === 429 || error.status >= 500);
      if (error.isAtWork) failed = 0;
      if (!isPassing || failed === TRIES || signal?.aborted) throw error;
      const pause = error.isAtWork ? AT_WORK_PAUSE_MILLISECONDS : FIRST_PAUSE_MILLISECONDS * 2 ** (failed - 1);
      await new Promise((resolve) => setTimeout(resolve, pause));
      signal?.throwIfAborted();
    }
  }
}

/** XMLHttpRequest, because fetch does not tell how far an upload is. Browsers set the length themselves. Gives the ETag. */
function send({ method, url, headers }, bytes, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) {
      if (name.toLowerCase() !== "content-length") request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => (request.status < 300 ? resolve(request.getResponseHeader("ETag") ?? "") : reject(new Problem(`The file was not accepted: ${said(request)}`, request.status)));
    request.onerror = () => reject(new Problem("The file could not be sent: the connection broke off."));
    request.onabort = () => reject(signal.reason);
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.send(bytes);
  });
}

function said(request) {
  try {
    return JSON.parse(request.responseText).message;
  } catch {
    return `status ${request.status}`;
  }
}
