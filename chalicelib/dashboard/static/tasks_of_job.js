// The tasks of one job as its list shows them: read a page at a time as they come into sight, filtered by the farm, and
// kept true by reading again only the pages in sight.

import { get } from "./api.js";

const PAGE = 200;
const MOST_EMPTY_PAGES = 50;

export class TasksOfJob extends EventTarget {
  constructor(job) {
    super();
    this.job = job;
    this.status = "";
    this.start = null;
    this.forget();
  }

  forget() {
    this.pages = [];
    this.next = this.start;
    this.isEnded = false;
    this.reading = null;
  }

  /** start: a cursor, or null for the first task. */
  choose(status, start) {
    if (status === this.status && start === this.start) return;
    Object.assign(this, { status, start });
    this.forget();
    this.tell();
  }

  /** As far as they are read, each once. */
  get items() {
    return [...new Map(this.pages.flatMap((page) => page.items).map((task) => [task.id, task])).values()];
  }

  /** The next page with something on it; nothing happens while one is being read, or after the last. */
  more() {
    if (this.isEnded || this.reading) return this.reading;
    const reading = this.readOn().finally(() => {
      if (this.reading === reading) this.reading = null; // of another choice otherwise
    });
    this.reading = reading;
    return reading;
  }

  async readOn() {
    for (let looked = 0; looked < MOST_EMPTY_PAGES && !this.isEnded; looked += 1) {
      const { pages, next: cursor } = this;
      const page = await this.page(cursor);
      if (pages !== this.pages || cursor !== this.next) return; // another choice was made meanwhile, or pages fell away
      this.next = page.next;
      this.isEnded = page.next === null;
      this.pages.push(page);
      if (page.items.length) break;
    }
    this.tell();
  }

  /** Rows `first` to `last` are in sight. */
  async refresh(first, last) {
    const { pages } = this;
    let begins = 0;
    for (const [at, page] of pages.entries()) {
      const ends = begins + page.items.length;
      if (begins <= last && (first <= ends || !page.items.length)) {
        const fresh = await this.page(page.cursor);
        if (pages !== this.pages) return;
        pages[at] = fresh;
        if (fresh.next !== page.next) this.readAgainAfter(at);
      }
      begins = ends;
    }
    this.tell();
  }

  /** Where a page ends now elsewhere, those behind it no longer fit. */
  readAgainAfter(at) {
    this.pages.splice(at + 1);
    this.next = this.pages[at].next;
    this.isEnded = this.next === null;
  }

  async page(cursor) {
    const query = new URLSearchParams({ limit: PAGE, ...(this.status && { status: this.status }), ...(cursor && { cursor }) });
    const { items, next } = await get(`/jobs/${this.job}/tasks?${query}`);
    return { cursor, items, next };
  }

  tell() {
    this.dispatchEvent(new Event("change"));
  }
}
