// Each step of a job as a strip; where there are many steps, the one that was chosen.

import { h, replace } from "./dom.js";
import { filter, href } from "./router.js";
import { Strip } from "./strip.js";

const MOST_STRIPS = 6;

export class JobStrips {
  /** job: its id. */
  constructor(job) {
    this.job = job;
    this.strips = new Map();
    this.steps = [];
    this.look = null;
    /** The step that was chosen where there are many, until a closer look names another. */
    this.single = 0;
    this.chooser = h("label", { class: "inline", hidden: true });
    this.place = h("div", { class: "stack" });
    this.elements = [this.chooser, this.place];
  }

  /** steps: of the job as it is now. look: { step, first, last }, a closer look at a part of one; or null. */
  show(steps, look) {
    Object.assign(this, { steps, look });
    const begun = steps.map((step, index) => ({ ...step, index })).filter((step) => step.count);
    const isMany = begun.length > MOST_STRIPS;
    this.shown = isMany ? begun.filter((step) => step.index === (look?.step ?? this.single)) : begun;
    this.chooser.hidden = !isMany;
    if (isMany && this.chooser.dataset.steps !== String(begun.length)) this.drawChooser(begun);
    this.drawStrips();
  }

  /** The farm has news of them. */
  refresh() {
    return Promise.all(this.shown.map((step) => this.strips.get(step.index).refresh(step.count)));
  }

  close() {
    for (const index of this.strips.keys()) this.drop(index);
  }

  drawStrips() {
    const { shown, strips, look, place } = this;
    for (const index of strips.keys()) if (!shown.some((step) => step.index === index)) this.drop(index);
    for (const step of shown) {
      if (!strips.has(step.index)) strips.set(step.index, this.made(step));
      strips.get(step.index).look(look?.step === step.index ? look : null);
    }
    const order = shown.map((step) => strips.get(step.index).element);
    if (order.some((one, at) => place.children[at] !== one)) replace(place, order);
  }

  made(step) {
    return new Strip({
      job: this.job,
      step,
      onRange: (range) => filter({ look: range && `${step.index}.${range.first + 1}-${range.last}` }),
      onTask: (task) => (location.hash = href("tasks", task)),
    });
  }

  drop(index) {
    const one = this.strips.get(index);
    one.close();
    one.element.remove();
    this.strips.delete(index);
  }

  drawChooser(begun) {
    this.chooser.dataset.steps = begun.length;
    const choose = (event) => {
      this.single = Number(event.target.value);
      filter({ look: null });
      this.show(this.steps, this.look);
    };
    const options = begun.map((step) => h("option", { value: step.index, selected: step.index === (this.look?.step ?? this.single) }, step.name));
    replace(this.chooser, "Step", h("select", { onchange: choose }, options));
  }
}
