// Calls of the farm's HTTP API. Failures are thrown as Problem, whose message is the farm's own sentence.

import { looking } from "./reading.js";

export const ROOT = new URL("../../", import.meta.url);
const LOOKS = 3;
const LOOK_MILLISECONDS = 30_000;
const BASE = new URL("api/v1", ROOT);

export class Problem extends Error {
  /** status 0: nobody answered. fields: {name: what is wrong with it}. isAtWork: it is being done; ask again. */
  constructor(message, status = 0, fields = {}, isAtWork = false) {
    super(message);
    this.isAtWork = isAtWork;
    this.status = status;
    this.fields = fields;
  }
}

export const url = (path) => BASE.href + path;
export const contentUrl = (blob) => url(`/blobs/${blob}/content`);

/** What to do when the farm wants a token: set once, by app.js. */
export const session = { onSignedOut: () => {} };

export const get = (path, options) => call("GET", path, undefined, options);
export const post = (path, body, options) => call("POST", path, body, options);
export const put = (path, body) => call("PUT", path, body);
export const patch = (path, body) => call("PATCH", path, body);
export const remove = (path) => call("DELETE", path);

function call(method, path, body, options) {
  const answer = called(method, path, body, options);
  return method === "GET" ? looking(answer) : answer;
}

async function called(method, path, body, options = {}) {
  const response = await request(method, path, body, options);
  if (response.status === 204) return null;
  return read(response, "json", options.signal);
}

/** { answer, tag }: with `tag` (an ETag) among the options, only if the farm still has what that was read of. */
export async function tagged(method, path, body, { tag } = {}) {
  const response = await request(method, path, body, { headers: tag ? { "If-Match": tag } : {} });
  return { answer: await read(response, "json"), tag: response.headers.get("ETag") };
}

/** A text, and where its next part begins. */
export const text = (path) => looking(textOf(path));

async function textOf(path) {
  const response = await request("GET", path);
  return { text: await read(response, "text"), next: Number(response.headers.get("X-Next-Offset") ?? 0) };
}

/** The pages of a list, one after the other. The first is short, so that something is seen soon. */
export async function* pages(path, { first = 100, limit = 1000, signal } = {}) {
  let cursor = null;
  do {
    const query = new URLSearchParams({ limit: cursor ? limit : first, ...(cursor && { cursor }) });
    const page = await get(`${path}${path.includes("?") ? "&" : "?"}${query}`, { signal });
    cursor = page.next;
    yield page.items;
  } while (cursor);
}

/** The body: it may break off, or be what a proxy in between says. */
async function read(response, kind, signal) {
  try {
    return await response[kind]();
  } catch {
    if (signal?.aborted) throw signal.reason;
    throw new Problem("The farm’s answer cannot be read.");
  }
}

/** A look that a changing network broke off is made again; what changes something is not: it may have arrived. */
async function fetched(path, options) {
  for (let failed = 1; ; failed += 1) {
    try {
      return await fetch(url(path), options);
    } catch (error) {
      if (options.method !== "GET" || failed === LOOKS || options.signal?.aborted) throw error;
      await new Promise((resolve) => setTimeout(resolve, 300 * failed));
    }
  }
}

async function request(method, path, body, { signal, headers = {} } = {}) {
  let response;
  // What hangs would keep everything behind it waiting. What changes something may take as long as it takes.
  const limit = method === "GET" ? AbortSignal.any([AbortSignal.timeout(LOOK_MILLISECONDS), ...(signal ? [signal] : [])]) : signal;
  try {
    response = await fetched(path, {
      method,
      signal: limit,
      headers: {
        "X-Millrace-Page": "1",
        ...(body !== undefined && { "Content-Type": "application/json" }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    if (signal?.aborted) throw signal.reason;
    throw new Problem("The farm does not answer.");
  }
  if (response.ok) return response;
  const problem = await asProblem(response);
  if (response.status === 401 && path !== "/session") session.onSignedOut();
  throw problem;
}

async function asProblem(response) {
  let said = {};
  try {
    said = await response.json();
  } catch {
    // A proxy in between may answer with anything.
  }
  const errors = said.errors ?? (said.field ? [{ field: said.field, detail: said.detail }] : []);
  const fields = Object.fromEntries(errors.map((error) => [error.field, error.detail]));
  return new Problem(said.detail || said.message || `The farm answered ${response.status}.`, response.status, fields, said.at_work === true);
}
