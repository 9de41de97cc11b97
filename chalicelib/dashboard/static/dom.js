// Elements. What the farm says goes into text nodes only: no text is ever read as HTML.

/**
 * h("a", { class: "name", href: "#/", onclick: f, "aria-label": "…" }, "text", child, …)
 * Properties that are null, undefined or false are left out; children likewise. `style` is an object.
 */
export function h(tag, properties, ...children) {
  return filled(document.createElement(tag), properties, children);
}

export function svg(tag, properties, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);
}

export function replace(parent, ...children) {
  parent.replaceChildren(...children.flat().filter(isThere));
}

export const FOCUSABLE = "a[href], button, input, select, textarea, summary";

/** The same where somebody may be by keyboard: who was in the third thing that takes the focus is there again. */
export function redraw(parent, ...children) {
  const place = [...parent.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);
  replace(parent, ...children);
  if (place >= 0) parent.querySelectorAll(FOCUSABLE)[place]?.focus({ preventScroll: true });
}

let ids = 0;
export const freshId = (word) => `${word}-${++ids}`;

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (!isThere(value)) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else if (name === "value" || name === "checked" || name === "indeterminate") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter(isThere));
  return element;
}

const isThere = (value) => value !== null && value !== undefined && value !== false;
