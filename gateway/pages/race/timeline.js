// One axis of time for both lanes: a block up to where the wall arrived, a tick for each tile.

import { duration, plural, svgElement } from "../dom.js";

const BAR = 20;
const WALL_TOP = 8;
const TILES_TOP = 36;
const AXIS = 64;
const STEPS_SECONDS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60];

export class Timeline {
  constructor(svg) {
    this.svg = svg;
    this.shown = null;
    new ResizeObserver(() => this.shown && this.show(...this.shown)).observe(svg);
  }

  // Shows what had arrived after so many seconds, Infinity for all of it.
  show(run, seconds) {
    this.shown = [run, seconds];
    const width = this.svg.clientWidth || 600;
    const end = lastInstant(run, seconds);
    const x = (at) => 1 + (at / end) * (width - 2);
    const arrived = run.tokens.filter((token) => token.seconds <= seconds);
    this.svg.replaceChildren(
      ...axis(end, x, width),
      ...wall(run, seconds, x, width),
      ...tiles(run, seconds, arrived, x),
    );
    this.svg.setAttribute("aria-label", inWords(run, arrived));
  }
}

// A race that goes on has room to its right; one that is over fills the axis.
function lastInstant(run, seconds) {
  const ended = Object.keys(run.takesPart).map((paradigm) => run.ended[paradigm] ?? Infinity);
  const over = Math.max(0.01, ...ended);
  return Number.isFinite(over) ? over : Math.max(0.5, seconds * 1.25);
}

function axis(end, x, width) {
  const step = STEPS_SECONDS.find((each) => end / each <= width / 90) ?? end;
  const parts = [svgElement("line", { x1: 0, x2: width, y1: AXIS, y2: AXIS, class: "axis" })];
  for (let at = 0; at <= end * 1.0001; at += step) {
    const anchor = at === 0 ? "start" : x(at) > width - 30 ? "end" : "middle";
    parts.push(svgElement("line", { x1: x(at), x2: x(at), y1: AXIS, y2: AXIS + 5, class: "axis" }));
    const text = at === 0 ? "0" : duration(at);
    parts.push(svgElement("text", { x: x(at), y: AXIS + 18, "text-anchor": anchor, class: "label" }, text));
  }
  return parts;
}

function wall(run, seconds, x, width) {
  if (!run.takesPart.parallel) return [];
  const isThere = run.wallSeconds <= seconds;
  const until = x(Math.min(run.wallSeconds ?? run.ended.parallel ?? seconds, seconds));
  const place = { x: 0, y: WALL_TOP, width: Math.max(3, until), height: BAR };
  const bar = svgElement("rect", { ...place, class: isThere ? "wall" : "wall waiting" });
  if (!isThere) return [bar];
  const text = `${run.count} ${plural(run.noun, run.count)}, ${duration(run.wallSeconds)}`;
  const fits = until + 8 + text.length * 7 < width;
  const where = fits
    ? { x: until + 8, class: "label" }
    : { x: until - 8, class: "label inside", "text-anchor": "end" };
  return [bar, svgElement("text", { ...where, y: WALL_TOP + 15 }, text)];
}

function tiles(run, seconds, arrived, x) {
  const until = Math.min(run.ended.sequential ?? arrived.at(-1)?.seconds ?? 0, seconds);
  const place = { y: TILES_TOP, height: BAR };
  return [
    svgElement("rect", { ...place, x: 0, width: arrived.length ? x(until) : 0, class: "going" }),
    ...arrived.map((token) => svgElement("rect", { ...place, x: x(token.seconds) - 1.5, width: 2, class: "tile" })),
  ];
}

function inWords(run, arrived) {
  const wallText = run.wall ? `${run.count} in parallel after ${duration(run.wallSeconds)}` : "None in parallel";
  const lastOne = arrived.length ? `, the last after ${duration(arrived.at(-1).seconds)}` : "";
  return `${wallText}; ${arrived.length} of ${run.total ?? 0} tiles in sequence${lastOne}`;
}
