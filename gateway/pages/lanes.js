// Both lanes and the timeline as they were at one instant of a race: live, at its end, or in a replay.

import { byId, color, duration, plural, withArticle } from "./dom.js";
import { drawGrid, drawOne, drawWall, imagesOf } from "./pictures.js";
import { Timeline } from "./timeline.js";

const timeline = new Timeline(byId("race-timeline"));
const BEFORE = { sequential: "one picture, tile by tile", parallel: "a wall of pictures, in one pass" };
let shown = {}; // what is on the canvases

export function drawEmpty(count, tokensPerImage = 49) {
  shown = {};
  for (const [paradigm, text] of Object.entries(BEFORE)) {
    byId(`${paradigm}-count`).textContent = text;
    const canvas = byId(`${paradigm}-canvas`);
    canvas.width = canvas.height = 560;
    canvas.setAttribute("aria-label", "Nothing is drawn yet");
  }
  drawGrid(byId("sequential-canvas"), Math.ceil(Math.sqrt(tokensPerImage)), { ...inks(), isNumbered: true });
  drawGrid(byId("parallel-canvas"), Math.ceil(Math.sqrt(count)), inks());
}

const inks = () => ({ paper: color("--card"), line: color("--line"), ink: color("--soft") });

// `seconds` after the start, Infinity for the end; `still`: the watches show nothing before it.
export function paint(run, seconds, still = false) {
  const count = run.tokens.filter((token) => token.seconds <= seconds).length;
  if (count && count !== shown.count) showPicture(run, count);
  if (run.wallSeconds <= seconds && !shown.wall) showWall(run);
  for (const paradigm of ["sequential", "parallel"]) {
    const until = Math.min(seconds, run.ended[paradigm] ?? seconds);
    const hasWatch = run.takesPart[paradigm] && Number.isFinite(until) && !(still && until === seconds);
    byId(`${paradigm}-watch`).textContent = hasWatch ? duration(until) : "–";
  }
  timeline.show(run, seconds);
}

function showPicture(run, count) {
  shown.count = count;
  const { image } = run.tokens[count - 1];
  const side = Math.sqrt(run.total);
  if (image) drawOne(byId("sequential-canvas"), imagesOf(image));
  // What is not decided yet is left open; where tiles make no square, the picture is black there.
  if (Number.isInteger(side))
    drawGrid(byId("sequential-canvas"), side, { ...inks(), isNumbered: true, first: count });
  byId("sequential-canvas").setAttribute(
    "aria-label",
    `${withArticle(run.noun)}, ${count} of ${run.total} tiles drawn`,
  );
  byId("sequential-count").textContent = `${count} of ${run.total} tiles of one ${run.noun}`;
}

function showWall(run) {
  shown.wall = true;
  run.places = drawWall(byId("parallel-canvas"), imagesOf(run.wall));
  const text = `${run.count} ${plural(run.noun, run.count)}, ${duration(run.wallSeconds / run.count)} each`;
  byId("parallel-count").textContent = text;
  byId("parallel-canvas").setAttribute("aria-label", text);
}
