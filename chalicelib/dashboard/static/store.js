// What the page knows of the farm: read once, then kept true by live.js. Pages listen and draw what they show.

import { pages } from "./api.js";

export class Collection extends EventTarget {
  /** slim: makes what is kept of an item; ten thousand are. */
  constructor(path, slim = (item) => item) {
    super();
    this.items = new Map();
    this.complete = false;
    this.error = null;
    this.path = path;
    this.slim = slim;
    this.loading = null;
    this.announced = false;
  }

  /** Reads the list to its end, unless that was begun already. */
  load() {
    this.loading ??= this.read().finally(() => this.announce());
    return this.loading;
  }

  async read() {
    this.error = null;
    try {
      for await (const items of pages(this.path)) {
        // A change that came meanwhile is newer than the list.
        for (const item of items) if (!this.items.has(item.id)) this.items.set(item.id, this.slim(item));
        this.announce();
      }
      this.complete = true;
    } catch (error) {
      this.error = error;
      this.loading = null;
    }
  }

  forget() {
    this.items.clear();
    this.complete = false;
    this.loading = null;
    this.announce();
  }

  put(items) {
    // Some answers hold less of an item than others: what they leave out stays.
    for (const item of items) this.items.set(item.id, { ...this.items.get(item.id), ...this.slim(item) });
    if (items.length) this.announce();
  }

  drop(ids) {
    let dropped = false;
    for (const id of ids) dropped = this.items.delete(id) || dropped;
    if (dropped) this.announce();
  }

  /** However many changes a moment brings, pages draw once. */
  announce() {
    if (this.announced) return;
    this.announced = true;
    requestAnimationFrame(() => {
      this.announced = false;
      this.dispatchEvent(new Event("change"));
    });
  }
}

export const jobs = new Collection("/jobs", ({ settings, outputs, ...job }) => job);
export const workers = new Collection("/workers");

/** Who asks, and what that one may do. */
export const me = { name: null, scopes: [], auth: "open" };
export const may = (scope) => me.scopes.includes(scope);
