// Which jobs of a list are marked.

export class Marks {
  /** onChange(): a person marked others. */
  constructor(onChange) {
    this.ids = new Set();
    this.onChange = onChange;
  }

  has(job) {
    return this.ids.has(job.id);
  }

  areAll(list) {
    return list.length > 0 && list.every((job) => this.has(job));
  }

  toggle(job) {
    if (!this.ids.delete(job.id)) this.ids.add(job.id);
    this.onChange();
  }

  /** All of the list; none of it if all are. */
  toggleAll(list) {
    const all = this.areAll(list);
    for (const job of list) all ? this.ids.delete(job.id) : this.ids.add(job.id);
    this.onChange();
  }

  /** These, and no others. */
  only(list) {
    this.ids = new Set(list.map((job) => job.id));
    this.onChange();
  }

  /** The jobs; what is gone meanwhile is marked no more. items: all there are, by id. */
  of(items) {
    for (const id of this.ids) if (!items.has(id)) this.ids.delete(id);
    return [...this.ids].map((id) => items.get(id));
  }
}
