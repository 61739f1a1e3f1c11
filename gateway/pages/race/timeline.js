// One axis of time for both lanes, from each one's start: a block up to where the wall was done, a tick for each tile,
// and hatched what HTTP, the network and the browser took beside the gateway's clock.

import { duration, plural, svgElement } from "../dom.js";

const BAR = 20;
const WALL_TOP = 8;
const TILES_TOP = 36;
const AXIS = 64;
const STEPS_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60];

export class Timeline {
  constructor(svg) {
    this.svg = svg;
    this.shown = null;
    new ResizeObserver(() => this.shown && this.show(...this.shown)).observe(svg);
  }

  // Shows what had arrived `secondsOf(paradigm)` after the start, Infinity for all of it.
  show(run, secondsOf) {
    this.shown = [run, secondsOf];
    const width = this.svg.clientWidth || 600;
    const end = lastInstant(run, secondsOf);
    const x = (at) => 1 + (at / end) * (width - 2);
    const arrived = run.tokens.filter((token) => token.seconds <= secondsOf("sequential"));
    this.svg.replaceChildren(
      hatching(),
      ...axis(end, x, width),
      ...outside(run, secondsOf, x),
      ...wall(run, secondsOf("parallel"), x, width),
      ...tiles(run, secondsOf("sequential"), arrived, x),
    );
    this.svg.setAttribute("aria-label", inWords(run, arrived));
  }
}

// A race that goes on has room to its right; one that is over fills the axis.
function lastInstant(run, secondsOf) {
  const ended = Object.keys(run.takesPart).map((paradigm) => run.ended[paradigm] + (run.outside[paradigm] ?? 0));
  const over = Math.max(0.001, ...ended);
  return over >= 0 ? over : Math.max(0.5, secondsOf("sequential") * 1.25);
}

function hatching() {
  const pattern = svgElement("pattern", { id: "hatching", width: 6, height: 6, patternUnits: "userSpaceOnUse" });
  pattern.append(svgElement("path", { d: "M0 6L6 0", class: "hatch" }));
  return pattern;
}

// What a side took beside the gateway's clock, behind it.
function outside(run, secondsOf, x) {
  const tops = { parallel: WALL_TOP, sequential: TILES_TOP };
  return Object.keys(tops)
    .filter((paradigm) => run.outside[paradigm] && run.ended[paradigm] <= secondsOf(paradigm))
    .map((paradigm) => {
      const [from, to] = [x(run.ended[paradigm]), x(run.ended[paradigm] + run.outside[paradigm])];
      const title = svgElement("title", {}, `HTTP, network and this browser: ${duration(run.outside[paradigm])} more`);
      const rest = svgElement("rect", { x: from, y: tops[paradigm], width: to - from, height: BAR, class: "outside" });
      rest.append(title);
      return rest;
    });
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
  const behind = x(run.wallSeconds + (run.outside.parallel ?? 0)) + 8;
  const fits = behind + text.length * 7 < width;
  const where = fits
    ? { x: behind, class: "label" }
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
