// Outputs that a browser can show. Their bytes come without a type, so they are given one here.

import { contentUrl } from "./api.js";
import { h } from "./dom.js";

const TYPES = {
  png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", webp: "image/webp", gif: "image/gif",
  avif: "image/avif", bmp: "image/bmp",
};
const LARGEST_BYTES = 30e6;

const typeOf = (name) => TYPES[name.split(".").pop().toLowerCase()];

export const isPicture = (output) => Boolean(typeOf(output.name)) && output.size <= LARGEST_BYTES;

/** An <img> that fetches its bytes when it comes into sight. */
export function picture(output, alt = output.name) {
  const element = h("img", { alt, class: "picture is-loading" });
  const seen = new IntersectionObserver(async ([entry]) => {
    if (!entry.isIntersecting) return;
    seen.disconnect();
    try {
      const response = await fetch(contentUrl(output.blob));
      if (!response.ok) throw new Error(response.statusText);
      const bytes = new Blob([await response.arrayBuffer()], { type: typeOf(output.name) });
      element.src = URL.createObjectURL(bytes);
      element.onload = () => URL.revokeObjectURL(element.src);
    } catch {
      element.alt = `${alt} (cannot be shown)`;
    }
    element.classList.remove("is-loading");
  });
  seen.observe(element);
  return element;
}
