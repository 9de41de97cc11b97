// What the page knows of the farm: read once, then kept true by live.js. Pages listen and draw what they show.

import { pages } from "./api.js";

export class Collection extends EventTarget {
  /** slim: makes what is kept of an item; ten thousand are. first: how many are read before the rest, to be seen soon. */
  constructor(path, slim = (item) => item, first = 100) {
    super();
    this.items = new Map();
    this.complete = false;
    this.error = null;
    this.path = path;
    this.slim = slim;
    this.first = first;
    this.loading = null;
    /** How often it was forgotten: what was asked for before is not put in among what is read after. */
    this.generation = 0;
    this.announced = false;
    this.changed = new Set();
    /** Items by status, kept as they come and go. */
    this.tally = {};
  }

  /** Reads the list to its end, unless that was begun already. */
  load() {
    this.loading ??= this.read().finally(() => this.announce());
    return this.loading;
  }

  async read() {
    const { generation } = this;
    this.error = null;
    try {
      for await (const items of pages(this.path, { first: this.first })) {
        if (generation !== this.generation) return;
        // A change that came meanwhile is newer than the list.
        for (const item of items) if (!this.items.has(item.id)) this.set(item.id, this.slim(item));
        this.announce();
      }
      this.complete = true;
    } catch (error) {
      if (generation !== this.generation) return;
      this.error = error;
      this.loading = null;
    }
  }

  forget() {
    this.generation += 1;
    this.error = null;
    this.items.clear();
    this.tally = {};
    this.changed = null;
    this.complete = false;
    this.loading = null;
    this.announce();
  }

  put(items) {
    // Some answers hold less of an item than others: what they leave out stays.
    for (const item of items) this.set(item.id, { ...this.items.get(item.id), ...this.slim(item) });
    if (items.length) this.announce();
  }

  drop(ids) {
    let dropped = false;
    for (const id of ids) {
      if (!this.items.has(id)) continue;
      this.count(this.items.get(id).status, -1);
      this.items.delete(id);
      this.changed?.add(id);
      dropped = true;
    }
    if (dropped) this.announce();
  }

  set(id, item) {
    const before = this.items.get(id);
    if (before) this.count(before.status, -1);
    this.count(item.status, 1);
    this.items.set(id, item);
    this.changed?.add(id);
  }

  count(status, by) {
    this.tally[status] = (this.tally[status] ?? 0) + by;
  }

  /** However many changes a moment brings, pages draw once. The event tells which items changed; null: look at all. */
  announce() {
    if (this.announced) return;
    this.announced = true;
    requestAnimationFrame(() => {
      this.announced = false;
      const { changed } = this;
      this.changed = new Set();
      this.dispatchEvent(new CustomEvent("change", { detail: changed }));
    });
  }
}

export const jobs = new Collection("/jobs", ({ settings, outputs, ...job }) => job);
export const workers = new Collection("/workers", undefined, 30);

/** Who asks, and what that one may do. */
export const me = { name: null, scopes: [], auth: "open" };
export const may = (scope) => me.scopes.includes(scope);
