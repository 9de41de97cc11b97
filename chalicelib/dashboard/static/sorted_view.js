// What a table shows of a collection: filtered and in order. It is made once; then what changed is taken out and merged
// in again, so that a change among ten thousand costs a pass over them and no sort.

/** fits(item), compare(a, b): of the items' keys; key(item) is computed once for each. */
export class SortedView {
  constructor() {
    this.entries = [];
    this.known = null;
  }

  /** name: of this choice; with another one everything is looked at anew. changed: ids, or null for "anything". */
  update(name, items, changed, { fits, key, compare }) {
    const entry = (item) => ({ item, key: key(item) });
    const order = (a, b) => compare(a.key, b.key) || Number(b.item.id) - Number(a.item.id);
    if (name !== this.known || changed === null) {
      this.known = name;
      this.entries = [...items.values()].filter(fits).map(entry).sort(order);
    } else if (changed.size) {
      const rest = this.entries.filter((one) => !changed.has(one.item.id));
      const fresh = [...changed].map((id) => items.get(id)).filter((item) => item && fits(item)).map(entry);
      this.entries = merged(rest, fresh.sort(order), order);
    }
    return this.entries.map((one) => one.item);
  }
}

function merged(one, other, order) {
  if (!other.length) return one;
  if (!one.length) return other;
  const all = [];
  let at = 0;
  for (const entry of other) {
    while (at < one.length && order(one[at], entry) <= 0) all.push(one[at++]);
    all.push(entry);
  }
  return all.concat(one.slice(at));
}
