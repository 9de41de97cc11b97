// A table of which only the rows in sight exist: the same speed with ten rows and with ten thousand.

import { FOCUSABLE, h, redraw } from "./dom.js";

const MARGIN_ROWS = 6;
/** Where the keyboard comes into a list. */
export const FIRST_OF_ROWS = ".row-space .row a, .row-space .row input";

/**
 * columns: [{ key, title, className, sort, cell(item) }]; a cell is drawn again only when its item is another object.
 * key(item): its id. label: what the table holds. onSort(key), onOpen(item), onMark(item), and onEnd(), called while the last row is in sight: optional.
 */
export class Rows {
  constructor({ columns, key, label, className = "", rowHeight = 48, sortedBy = {}, onSort, onOpen, onMark, onEnd }) {
    Object.assign(this, { columns, key, rowHeight, onSort, onOpen, onMark, onEnd, sortedBy });
    this.items = [];
    this.first = 0;
    this.last = 0;
    this.drawn = new Map();
    this.head = h("div", { role: "row", class: "row head", "aria-rowindex": 1 });
    this.body = h("div", { role: "rowgroup", class: "row-space" });
    this.element = h(
      "div",
      { role: "table", class: `rows ${className}`, "aria-label": label, onkeydown: (event) => this.onKey(event) },
      h("div", { role: "rowgroup", class: "row-head" }, this.head),
      this.body,
    );
    this.element.addEventListener("scroll", () => this.draw(), { passive: true });
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.element);
    this.drawHead();
  }

  close() {
    this.resized.disconnect();
  }

  show(items, sortedBy = this.sortedBy) {
    this.items = items;
    if (sortedBy.key !== this.sortedBy.key || sortedBy.down !== this.sortedBy.down) {
      this.sortedBy = sortedBy;
      this.drawHead();
    }
    this.element.setAttribute("aria-rowcount", items.length + 1);
    this.body.style.height = `${items.length * this.rowHeight}px`;
    this.draw();
  }

  /** Also what has not changed: when a cell depends on more than its item. */
  redraw() {
    for (const row of this.drawn.values()) row.item = null;
    this.draw();
  }

  drawHead() {
    redraw(this.head, this.columns.map((column) => this.headCell(column)));
  }

  headCell({ key, title, className = "", sort, headCell }) {
    const down = this.sortedBy.key === key ? this.sortedBy.down : null;
    const order = down === null ? null : down ? "descending" : "ascending";
    const content = headCell
      ? headCell()
      : sort
        ? h("button", { class: "sort", onclick: () => this.onSort(key) }, title, h("span", { "aria-hidden": "true" }, down === null ? "" : down ? " ↓" : " ↑"))
        : title;
    return h("div", { role: "columnheader", class: `cell ${className}`, "aria-sort": order }, content);
  }

  draw() {
    const top = Math.max(0, this.element.scrollTop - this.head.offsetHeight);
    const first = Math.max(0, Math.floor(top / this.rowHeight) - MARGIN_ROWS);
    const last = Math.min(
      this.items.length,
      Math.ceil((top + this.element.clientHeight) / this.rowHeight) + MARGIN_ROWS,
    );
    Object.assign(this, { first, last });
    if (last === this.items.length) this.onEnd?.();
    const wanted = new Map();
    for (let index = first; index < last; index += 1) wanted.set(this.key(this.items[index]), index);
    for (const [key, row] of this.drawn) {
      if (wanted.has(key)) continue;
      row.element.remove();
      this.drawn.delete(key);
    }
    for (const [key, index] of wanted) this.drawRow(key, index);
  }

  drawRow(key, index) {
    const item = this.items[index];
    let row = this.drawn.get(key);
    if (!row) {
      row = { element: h("div", { role: "row", class: "row" }), item: null, index: -1 };
      row.element.dataset.key = key;
      this.drawn.set(key, row);
    }
    if (row.item !== item) {
      redraw(row.element, this.columns.map((column) => cell(column, item)));
      row.item = item;
    }
    if (row.index !== index) {
      row.index = index;
      row.element.setAttribute("aria-rowindex", index + 2);
      row.element.style.transform = `translateY(${index * this.rowHeight}px)`;
      this.place(row.element, index);
    }
  }

  /** In the order of the eye, for those who read with a keyboard or a screen reader. */
  place(element, index) {
    const before = this.items[index - 1];
    const previous = before && this.drawn.get(this.key(before))?.element;
    if (previous) {
      if (previous.nextSibling !== element) previous.after(element);
    } else if (this.body.firstChild !== element) this.body.prepend(element);
  }

  onKey(event) {
    const element = event.target.closest(".row[data-key]");
    if (!element || event.altKey || event.ctrlKey || event.metaKey || isTyping(event.target)) return;
    const index = this.drawn.get(element.dataset.key)?.index ?? -1;
    const last = this.items.length - 1;
    const screen = Math.max(1, Math.floor(this.element.clientHeight / this.rowHeight) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, PageDown: screen, PageUp: -screen, Home: -last, End: last };
    if (event.key in steps) {
      event.preventDefault();
      this.focusRow(Math.max(0, Math.min(last, index + steps[event.key])), element, event.target);
    } else if (event.key === "Escape") this.leave();
    else if (event.key === "x" && this.onMark) this.onMark(this.items[index]);
    else if (event.key === "Enter" && this.onOpen && event.target.type === "checkbox") this.onOpen(this.items[index]);
  }

  /** To what comes behind the list: Tab would go through all its rows before. */
  leave() {
    const isBehind = (element) => this.element.compareDocumentPosition(element) === Node.DOCUMENT_POSITION_FOLLOWING && element.checkVisibility();
    const next = [...document.querySelectorAll(FOCUSABLE)].find(isBehind);
    (next ?? document.getElementById("content")).focus();
  }

  focusRow(index, from, target) {
    const place = [...from.querySelectorAll(FOCUSABLE)].indexOf(target);
    const top = index * this.rowHeight;
    const room = this.element.clientHeight - this.head.offsetHeight - this.rowHeight;
    if (top < this.element.scrollTop) this.element.scrollTop = top;
    else if (top > this.element.scrollTop + room) this.element.scrollTop = top - room;
    this.draw();
    const row = this.drawn.get(this.key(this.items[index]))?.element;
    const found = row?.querySelectorAll(FOCUSABLE) ?? [];
    (found[place] ?? found[0])?.focus({ preventScroll: true });
  }
}

const cell = (column, item) =>
  h("div", { role: "cell", class: `cell ${column.className ?? ""}` }, column.cell(item));
const isTyping = (element) => element.matches("input:not([type=checkbox]), select, textarea");
