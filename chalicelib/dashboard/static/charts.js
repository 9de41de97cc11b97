// Lines over time, by uPlot (vendored beside this file). It is fetched when the first chart is drawn.

import { h } from "./dom.js";
import { number } from "./format.js";

const HEIGHT = 190;
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const TICK_SECONDS = [60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 7 * 86400];
const LONGEST_CLOCK_SECONDS = 2 * 24 * 3600;

/** series: [{ title, colour (a CSS variable), values }]; times in seconds since 1970. Gives an element. */
export function chart(title, times, series) {
  const place = h("div", { class: "plot", role: "img", "aria-label": inWords(title, series) });
  const figure = h("figure", { class: "card chart" }, h("h2", {}, title), legend(series), place);
  let plot = null;
  let width = 0;
  const draw = async () => {
    const { default: UPlot } = await import("./uPlot.esm.js");
    plot?.destroy();
    if (place.isConnected && width > 0) plot = new UPlot(options(place, width, series), [times, ...series.map((one) => one.values)], place);
  };
  const resized = new ResizeObserver(([entry]) => {
    const now = Math.floor(entry.contentRect.width);
    if (now === width) return;
    width = now;
    draw();
  });
  resized.observe(place);
  document.addEventListener("themechange", draw);
  return {
    element: figure,
    close() {
      resized.disconnect();
      document.removeEventListener("themechange", draw);
      plot?.destroy();
    },
  };
}

const legend = (series) =>
  h(
    "ul",
    { class: "legend" },
    series.map((one) => h("li", {}, h("span", { class: "swatch", style: { background: `var(${one.colour})` } }), one.title, h("strong", {}, number(last(one.values))))),
  );

function options(place, width, series) {
  const style = getComputedStyle(place);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: colour("--faint"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  return {
    width,
    height: HEIGHT,
    padding: [8, 20, 0, 0],
    legend: { show: false },
    cursor: { drag: { setScale: false } },
    scales: { y: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] } },
    axes: [{ ...axis, incrs: TICK_SECONDS, values: (_, ticks) => atTimes(ticks) }, { ...axis, size: 56, values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? number(tick) : "")) }],
    series: [{}, ...series.map((one) => ({ label: one.title, stroke: colour(one.colour), width: 2, points: { show: false }, spanGaps: false }))],
  };
}

const last = (values) => values.findLast((value) => value !== null) ?? 0;

function atTimes(ticks) {
  const form = ticks.at(-1) - ticks[0] < LONGEST_CLOCK_SECONDS ? CLOCK : DAY;
  return ticks.map((tick) => form.format(tick * 1000));
}

function inWords(title, series) {
  const one = ({ title: name, values }) => `${name} ${number(last(values))} now, at most ${number(Math.max(0, ...values.filter((value) => value !== null)))}`;
  return `${title}: ${series.map(one).join("; ")}`;
}
