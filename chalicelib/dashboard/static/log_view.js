// What a task writes, as it writes it: followed, searched, with the lines that tell of trouble marked.

import { text, url } from "./api.js";
import { h, replace } from "./dom.js";
import { number } from "./format.js";

const TROUBLE = /\b(error|fatal|fail(ed|ure)?|exception|traceback|segmentation fault|out of memory|killed)\b/i;
const CONTROL = /\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f]/g;
const EVERY_SECONDS = 1.5;
/** A log comes beside the word that its attempt has ended, and may come after it: so often it is looked for then. */
const LATE_LOOKS = 3;
const MOST_LINES = 50_000;
const BLOCK_LINES = 200;

/** path: of the log; isOver(): whether nothing more can come. */
export function logView(path, isOver) {
  const lines = [];
  let rest = "";
  let offset = 0;
  let closed = false;
  let found = [];
  let current = -1;
  let troubled = 0;

  const follow = h("input", { type: "checkbox", checked: true, id: "follow" });
  const search = h("input", { type: "search", placeholder: "Search the log  ( / )", "aria-label": "Search the log", oninput: () => mark() });
  const tally = h("span", { class: "faint", role: "status" });
  const step = (by) => () => show(current < 0 && by < 0 ? found.length - 1 : current + by);
  const trouble = h("button", { hidden: true, onclick: () => lines.find((line) => line.classList.contains("trouble"))?.scrollIntoView({ block: "center" }) });
  const body = h("div", { class: "log", tabindex: "0", role: "region", "aria-label": "Log" }, h("p", { class: "faint" }, "Nothing yet."));
  const element = h(
    "div",
    { class: "card stack log-card" },
    h(
      "div",
      { class: "filters" },
      h("h2", {}, "Log"),
      h("label", { class: "inline", for: "follow" }, follow, "Follow"),
      search,
      h("button", { "aria-label": "Match before", onclick: step(-1) }, "↑"),
      h("button", { "aria-label": "Next match", onclick: step(1) }, "↓"),
      tally,
      trouble,
      h("a", { class: "button end", href: url(path), download: "log.txt" }, "Download"),
    ),
    body,
  );
  search.addEventListener("keydown", (event) => event.key === "Enter" && (event.preventDefault(), step(event.shiftKey ? -1 : 1)()));
  body.addEventListener("scroll", () => {
    const isAtEnd = body.scrollHeight - body.scrollTop - body.clientHeight < 40;
    if (!isAtEnd && body.matches(":hover, :focus")) follow.checked = false;
  });
  follow.addEventListener("change", toEnd);

  function toEnd() {
    if (follow.checked) body.scrollTop = body.scrollHeight;
  }

  function add(more) {
    const parts = (rest + more).split("\n");
    rest = parts.pop();
    const fresh = parts.map(lineElement);
    if (fresh.length && !lines.length) body.replaceChildren();
    for (const line of fresh) {
      if (lines.length % BLOCK_LINES === 0) body.append(h("div", { class: "block" }));
      lines.push(line);
      body.lastChild.append(line);
    }
    if (fresh.length) {
      find(fresh);
      troubled += fresh.filter((line) => line.classList.contains("trouble")).length;
      trouble.hidden = !troubled;
      trouble.textContent = `${number(troubled)} suspicious`;
    }
    toEnd();
  }

  /** Another text is searched for. */
  function mark() {
    found[current]?.classList.remove("current");
    for (const line of found) line.classList.remove("found");
    found = [];
    current = -1;
    find(lines);
  }

  /** Lines that came meanwhile: the place among what was found stays. */
  function find(fresh) {
    const wanted = search.value.toLowerCase();
    const more = wanted ? fresh.filter((line) => line.textContent.toLowerCase().includes(wanted)) : [];
    for (const line of more) line.classList.add("found");
    for (const line of more) found.push(line);
    say();
  }

  function say() {
    const all = number(found.length);
    tally.textContent = !search.value ? "" : current < 0 ? `${all} found` : `${number(current + 1)} of ${all}`;
  }

  function show(index) {
    if (!found.length) return;
    found[current]?.classList.remove("current");
    current = (index + found.length) % found.length;
    follow.checked = false;
    found[current].classList.add("current");
    found[current].scrollIntoView({ block: "center" });
    say();
  }

  async function read() {
    let looksLeft = LATE_LOOKS;
    while (!closed) {
      const over = isOver();
      const part = await text(`${path}${path.includes("?") ? "&" : "?"}offset=${offset}`).catch(() => null);
      if (closed) return;
      const isNew = part !== null && part.next > offset;
      if (isNew) {
        looksLeft = LATE_LOOKS;
        offset = part.next;
        add(part.text);
      }
      if (lines.length > MOST_LINES) return void body.append(h("p", { class: "faint" }, "The rest is too long for a page; download it."));
      if (over && !isNew && part !== null) {
        if (looksLeft === 0) return end();
        looksLeft -= 1;
        if (!lines.length && !rest) sayNothing();
      }
      if (!isNew) await new Promise((resolve) => setTimeout(resolve, EVERY_SECONDS * 1000));
    }
  }

  function end() {
    if (rest) add("\n");
    if (!lines.length) sayNothing();
  }

  function sayNothing() {
    replace(body, h("p", { class: "faint" }, "It wrote nothing."));
  }

  read();
  return { element, close: () => (closed = true) };
}

/** Colours of terminals are dropped, and of a line that was written over the last state stays. */
function lineElement(raw) {
  const text = raw.replace(/\r$/, "").split("\r").pop().replace(CONTROL, "");
  return h("div", { class: `line ${TROUBLE.test(text) ? "trouble" : ""}` }, text || " ");
}
