// The tasks of one job, as far as they were read, kept true without reading them all again: what runs is asked for, and
// what ran at the last look; the rest is read again only when the farm's counts say that something was missed.

import { get } from "./api.js";

const PAGE = 1000;
export const MOST_READ = 5000;
const READ_ALL_UP_TO = 200;

export class TasksOfJob extends EventTarget {
  constructor(job) {
    super();
    this.job = job;
    this.items = new Map();
    this.next = null;
    this.isRead = false;
  }

  get isWhole() {
    return this.isRead && this.next === null;
  }

  /** The next pages, up to `most` tasks. */
  async more(most = MOST_READ) {
    const until = this.items.size + most;
    do {
      const page = await get(`/jobs/${this.job}/tasks?limit=${PAGE}${this.next ? `&cursor=${this.next}` : ""}`);
      for (const task of page.items) this.items.set(task.id, task);
      this.next = page.next;
      this.isRead = true;
      this.tell();
    } while (this.next && this.items.size < until);
  }

  /** counts: the job's own, of this moment. */
  async refresh(counts) {
    if (!this.isRead || this.items.size <= READ_ALL_UP_TO) return this.again();
    const ran = new Set([...this.items.values()].filter((task) => task.status === "active").map((task) => task.id));
    const running = await get(`/jobs/${this.job}/tasks?status=active&limit=${PAGE}`);
    for (const task of running.items) {
      ran.delete(task.id);
      if (this.items.has(task.id)) this.items.set(task.id, task);
    }
    for (const id of ran) this.items.set(id, await get(`/tasks/${id}`));
    if (this.isWhole && this.differs(counts)) return this.again();
    this.tell();
  }

  async again() {
    const most = Math.max(this.items.size, PAGE);
    this.items = new Map();
    this.next = null;
    await this.more(most);
  }

  differs(counts) {
    const mine = {};
    for (const task of this.items.values()) mine[task.status] = (mine[task.status] ?? 0) + 1;
    return Object.entries(counts).some(([status, count]) => (mine[status] ?? 0) !== count);
  }

  tell() {
    this.dispatchEvent(new Event("change"));
  }
}
