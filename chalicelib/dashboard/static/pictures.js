// Outputs that a browser can show. Their bytes come without a type, so they are given one here.

import { contentUrl, get, url } from "./api.js";
import { h } from "./dom.js";

const TYPES = {
  png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", webp: "image/webp", gif: "image/gif",
  avif: "image/avif", bmp: "image/bmp",
};
const LARGEST_BYTES = 30e6;

const typeOf = (name) => TYPES[name.split(".").pop().toLowerCase()];

/** What a worker may have made a small picture of, for `/jobs/{id}/last-rendered`. */
const RENDERED = /\.(png|jpe?g|webp|gif|avif|bmp|exr|tiff?|tga|hdr|dpx|mp4|mov|mkv|webm|avi)$/i;
export const isRendered = (output) => RENDERED.test(output.name);

/** What a job rendered last, as its worker made it small; null where no worker did. */
export async function lastRendered(job) {
  try {
    return await get(`/jobs/${job}/last-rendered`);
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

/** An <img> of that, in the size that its place and the screen want. */
export function smallPicture(shown, alt, sizes) {
  const at = ({ url: path }) => url(path.slice(path.indexOf("/api/v1") + "/api/v1".length));
  const srcset = shown.sizes.map((size) => `${at(size)} ${size.width}w`).join(", ");
  return h("img", { alt, class: "picture", loading: "lazy", decoding: "async", src: at(shown.sizes[0]), srcset, sizes });
}

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
