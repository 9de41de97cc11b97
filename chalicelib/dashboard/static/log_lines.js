// The lines of a log as elements: made as they come, those that tell of trouble marked, and searched.

import { h } from "./dom.js";

const TROUBLE = /\b(error|fatal|fail(ed|ure)?|exception|traceback|segmentation fault|out of memory|killed)\b/i;
const CONTROL = /\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f]/g;
/** The browser lays out only the blocks in sight. */
const BLOCK_LINES = 200;

export class LogLines {
  /** body: the element that they are put into. */
  constructor(body) {
    this.body = body;
    this.lines = [];
    this.rest = "";
    this.numTroubled = 0;
    this.wanted = "";
    this.found = [];
    this.current = -1;
  }

  get length() {
    return this.lines.length;
  }

  /** Not even the beginning of one has come. */
  get isEmpty() {
    return !this.lines.length && !this.rest;
  }

  get firstTrouble() {
    return this.lines.find((line) => line.classList.contains("trouble"));
  }

  /** A further part of the text; what stands behind its last newline waits for more. */
  add(more) {
    const parts = (this.rest + more).split("\n");
    this.rest = parts.pop();
    const fresh = parts.map(lineElement);
    if (fresh.length && !this.lines.length) this.body.replaceChildren();
    for (const line of fresh) this.append(line);
    this.numTroubled += fresh.filter((line) => line.classList.contains("trouble")).length;
    this.find(fresh);
  }

  /** No more comes: what has no newline is a line too. */
  end() {
    if (this.rest) this.add("\n");
  }

  append(line) {
    if (this.lines.length % BLOCK_LINES === 0) this.body.append(h("div", { class: "block" }));
    this.lines.push(line);
    this.body.lastChild.append(line);
  }

  /** Another text is searched for. */
  search(text) {
    this.found[this.current]?.classList.remove("current");
    for (const line of this.found) line.classList.remove("found");
    this.wanted = text.toLowerCase();
    this.found = [];
    this.current = -1;
    this.find(this.lines);
  }

  /** Of lines that came meanwhile too: the place among what was found stays. */
  find(fresh) {
    if (!this.wanted) return;
    for (const line of fresh) {
      if (!line.textContent.toLowerCase().includes(this.wanted)) continue;
      line.classList.add("found");
      this.found.push(line);
    }
  }

  /** by: 1 for the next match, -1 for the one before; round and round. Gives whether there is one. */
  step(by) {
    if (!this.found.length) return false;
    const from = this.current < 0 && by < 0 ? 0 : this.current;
    this.found[this.current]?.classList.remove("current");
    this.current = (from + by + this.found.length) % this.found.length;
    this.found[this.current].classList.add("current");
    this.found[this.current].scrollIntoView({ block: "center" });
    return true;
  }
}

/** Colours of terminals are dropped, and of a line that was written over the last state stays. */
function lineElement(raw) {
  const text = raw.replace(/\r$/, "").split("\r").pop().replace(CONTROL, "");
  return h("div", { class: `line ${TROUBLE.test(text) ? "trouble" : ""}` }, text || " ");
}
