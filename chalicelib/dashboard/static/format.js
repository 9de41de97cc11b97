// Values as a person reads them. Times are in the reader's zone; the exact one is in the element's title.

import { h } from "./dom.js";

const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const NUMBER = new Intl.NumberFormat();

export const number = (value) => NUMBER.format(value);
export const plural = (count, word, words = `${word}s`) => `${number(count)} ${count === 1 ? word : words}`;

/** A <time>: how long ago, and exactly when on hover. */
export function time(iso, missing = "–") {
  if (!iso) return h("span", { class: "faint" }, missing);
  const at = new Date(iso);
  return h("time", { datetime: iso, title: EXACT.format(at) }, ago(at));
}

export function ago(at, now = Date.now()) {
  const seconds = (now - at) / 1000;
  if (seconds < 10) return "just now";
  if (seconds < 3600) return `${duration(seconds)} ago`;
  return seconds < 20 * 3600 ? CLOCK.format(at) : `${DAY.format(at)}, ${CLOCK.format(at)}`;
}

export function duration(seconds) {
  if (Math.round(seconds) < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.round(minutes / (24 * 60))} days`;
}

export function seconds(from, to) {
  return (new Date(to ?? Date.now()) - new Date(from)) / 1000;
}

export function bytes(count) {
  const units = ["bytes", "kB", "MB", "GB", "TB", "PB"];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit && value < 100 ? value.toFixed(1) : number(Math.round(value))} ${units[unit]}`;
}

/** A status as a word with its colour; the colour is never the only sign. */
export function status(word, text = word) {
  return h("span", { class: `status is-${word}` }, text);
}
