// What a task writes, as it writes it: read part by part, followed, and searched.

import { text, url } from "./api.js";
import { h, replace } from "./dom.js";
import { number } from "./format.js";
import { LogLines } from "./log_lines.js";

const EVERY_SECONDS = 1.5;
/** A log comes beside the word that its attempt has ended, and may come after it: so often it is looked for then. */
const LATE_LOOKS = 3;
const MOST_LINES = 50_000;
/** Who is nearer to the end than this is at it. */
const NEAR_PIXELS = 40;

/** path: of the log; isOver(): whether nothing more can come. */
export function logView(path, isOver) {
  const body = h("div", { class: "log", tabindex: "0", role: "region", "aria-label": "Log" }, h("p", { class: "faint" }, "Nothing yet."));
  const lines = new LogLines(body);
  const following = followBox(body);
  const search = searchTools(lines, () => following.stop());
  const trouble = h("button", { hidden: true, onclick: () => lines.firstTrouble?.scrollIntoView({ block: "center" }) });

  function drawMore() {
    trouble.hidden = !lines.numTroubled;
    trouble.textContent = `${number(lines.numTroubled)} suspicious`;
    search.tell();
    following.toEnd();
  }

  const reading = readOn(path, isOver, {
    add(part) {
      lines.add(part);
      drawMore();
      return lines.length <= MOST_LINES;
    },
    tooLong: () => body.append(h("p", { class: "faint" }, "The rest is too long for a page; download it.")),
    ended() {
      if (lines.isEmpty) replace(body, h("p", { class: "faint" }, "It wrote nothing."));
    },
    end() {
      lines.end();
      drawMore();
    },
  });
  const download = h("a", { class: "button end", href: url(path), download: "log.txt" }, "Download");
  const head = h("div", { class: "filters" }, h("h2", {}, "Log"), following.element, search.elements, trouble, download);
  return { element: h("div", { class: "card stack log-card" }, head, body), close: reading.stop };
}

/** Whether the end is kept in sight: until somebody scrolls away from it, or looks at a match. */
function followBox(body) {
  const box = h("input", { type: "checkbox", checked: true, id: "follow" });
  const toEnd = () => {
    if (box.checked) body.scrollTop = body.scrollHeight;
  };
  box.addEventListener("change", toEnd);
  body.addEventListener("scroll", () => {
    const isAtEnd = body.scrollHeight - body.scrollTop - body.clientHeight < NEAR_PIXELS;
    if (!isAtEnd && body.matches(":hover, :focus")) box.checked = false;
  });
  return { element: h("label", { class: "inline", for: "follow" }, box, "Follow"), toEnd, stop: () => (box.checked = false) };
}

/** onShow(): a match is shown. Gives { elements, tell() }: how many there are, said anew. */
function searchTools(lines, onShow) {
  const tally = h("span", { class: "faint", role: "status" });
  const field = h("input", { type: "search", placeholder: "Search the log  ( / )", "aria-label": "Search the log" });
  const tell = () => {
    const all = number(lines.found.length);
    const said = !field.value ? "" : lines.current < 0 ? `${all} found` : `${number(lines.current + 1)} of ${all}`;
    if (tally.textContent !== said) tally.textContent = said;
  };
  const step = (by) => {
    if (!lines.step(by)) return;
    onShow();
    tell();
  };
  field.addEventListener("input", () => {
    lines.search(field.value);
    tell();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    step(event.shiftKey ? -1 : 1);
  });
  const before = h("button", { "aria-label": "Match before", onclick: () => step(-1) }, "↑");
  const next = h("button", { "aria-label": "Next match", onclick: () => step(1) }, "↓");
  return { elements: [field, before, next, tally], tell };
}

/** The log's parts until its end. add(text) gives whether more is wanted; otherwise tooLong(). ended(): nothing has come
 * since its attempt ended, and little may come yet; end(): nothing will. */
function readOn(path, isOver, { add, tooLong, ended, end }) {
  let isStopped = false;
  let offset = 0;

  async function read() {
    let looksLeft = LATE_LOOKS;
    while (!isStopped) {
      const over = isOver(); // asked first: what is written until then is in the part
      const part = await text(`${path}${path.includes("?") ? "&" : "?"}offset=${offset}`).catch(() => null);
      if (isStopped) return;
      const isNew = part !== null && part.next > offset;
      if (isNew) {
        looksLeft = LATE_LOOKS;
        offset = part.next;
        if (!add(part.text)) return void tooLong();
      }
      if (over && !isNew && part !== null) {
        ended();
        if (looksLeft === 0) return end();
        looksLeft -= 1;
      }
      if (!isNew) await new Promise((resolve) => setTimeout(resolve, EVERY_SECONDS * 1000));
    }
  }

  read();
  return { stop: () => (isStopped = true) };
}
