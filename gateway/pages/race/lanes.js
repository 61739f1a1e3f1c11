// Both lanes and the timeline as they were at one instant of a race: live, at its end, or in a replay.

import { byId, color, duration, plural, withArticle } from "../dom.js";
import { drawGrid, drawOne, drawWall, imagesOf } from "../images.js";
import { Timeline } from "./timeline.js";

const timeline = new Timeline(byId("race-timeline"));
const BEFORE = { sequential: "tile by tile", parallel: "in one pass" };
let shown = {}; // what is on the canvases

export function drawEmpty(count, { tokens_per_image: tokensPerImage = 49, takes_steps: takesSteps = false } = {}) {
  shown = {};
  for (const [paradigm, text] of Object.entries(BEFORE)) {
    byId(`${paradigm}-count`).textContent = text;
    const canvas = byId(`${paradigm}-canvas`);
    canvas.width = canvas.height = 560;
    canvas.setAttribute("aria-label", "Nothing is drawn yet");
  }
  const sequential = count > 1 ? [count, {}] : [tokensPerImage, { isNumbered: !takesSteps }];
  drawGrid(byId("sequential-canvas"), Math.ceil(Math.sqrt(sequential[0])), { ...inks(), ...sequential[1] });
  drawGrid(byId("parallel-canvas"), Math.ceil(Math.sqrt(count)), inks());
}

const inks = () => ({ paper: color("--card"), line: color("--line"), ink: color("--soft") });

// `secondsOf(paradigm)` after that side's start, Infinity for the end; `still`: the watches show nothing before it.
export function paint(run, secondsOf, still = false) {
  const count = run.tokens.filter((token) => token.seconds <= secondsOf("sequential")).length;
  if (count && count !== shown.count) showImage(run, count);
  if (run.wallSeconds <= secondsOf("parallel") && !shown.wall) showWall(run);
  for (const paradigm of ["sequential", "parallel"]) {
    const seconds = secondsOf(paradigm);
    const until = Math.min(seconds, run.ended[paradigm] ?? seconds);
    const hasWatch = run.takesPart[paradigm] && Number.isFinite(until) && !(still && until === seconds);
    byId(`${paradigm}-watch`).textContent = hasWatch ? duration(until) : "–";
  }
  timeline.show(run, secondsOf);
}

function showImage(run, count) {
  shown.count = count;
  if (run.count === 1) showTiles(run, count);
  else drawWall(byId("sequential-canvas"), latestImages(run, count));
  const what = `${count} of ${run.total} tiles`;
  const noun = run.count === 1 ? withArticle(run.noun) : `${run.count} ${plural(run.noun, run.count)}`;
  byId("sequential-canvas").setAttribute("aria-label", `${noun}, ${what} drawn`);
  byId("sequential-count").textContent = `${what} of ${run.count === 1 ? `one ${run.noun}` : noun}`;
}

// The images as far as they were after so many tokens; those that had not begun are black.
function latestImages(run, count) {
  const latest = [];
  for (const { choice, image } of run.tokens.slice(0, count)) latest[choice] = image ?? latest[choice];
  const parts = Array.from(latest, (image) => image && imagesOf(image));
  const one = parts.find(Boolean) ?? { height: 1, width: 1, channels: 1, bytes: new Uint8Array(1) };
  const size = one.height * one.width * one.channels;
  const bytes = new Uint8Array(run.count * size);
  parts.forEach((part, choice) => part && bytes.set(part.bytes, choice * size));
  return { ...one, count: run.count, bytes };
}

function showTiles(run, count) {
  const { image } = run.tokens[count - 1];
  const side = Math.sqrt(run.tiles);
  if (image) drawOne(byId("sequential-canvas"), imagesOf(image));
  // What is not decided yet is left open; where tiles make no square or have an order of their own, it is black there.
  if (Number.isInteger(side) && !run.steps)
    drawGrid(byId("sequential-canvas"), side, { ...inks(), isNumbered: true, first: count });
}

function showWall(run) {
  shown.wall = true;
  run.places = drawWall(byId("parallel-canvas"), imagesOf(run.wall));
  const each = run.count > 1 ? `, ${duration(run.wallSeconds / run.count)} each` : "";
  const text = `${run.count} ${plural(run.noun, run.count)}${each}`;
  byId("parallel-count").textContent = text;
  byId("parallel-canvas").setAttribute("aria-label", text);
}
