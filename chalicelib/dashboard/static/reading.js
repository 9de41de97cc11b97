// Whether the page that was opened is still being read: `aria-busy` on it, for screen readers and whoever waits for it.
// What it reads again later, as the farm changes, is no news to announce.

const QUIET_MILLISECONDS = 100;
/** Looks that have no answer yet. */
let pending = 0;
let timer = null;

/** Another page begins to show itself in this element. */
export function opened(element) {
  element.setAttribute("aria-busy", "true");
  element.dataset.place = location.hash;
  clearTimeout(timer);
  timer = setTimeout(() => calm(element), QUIET_MILLISECONDS);
}

export async function looking(answer) {
  pending += 1;
  try {
    return await answer;
  } finally {
    pending -= 1;
  }
}

/** One look often follows on another: only when there was none for a moment, all is there. */
function calm(element, isQuiet = false) {
  if (isQuiet && !pending) element.removeAttribute("aria-busy");
  else timer = setTimeout(() => calm(element, !pending), QUIET_MILLISECONDS);
}
