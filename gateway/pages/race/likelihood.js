// How likely the images of a race are: what the sequential model says of its own, and of the parallel one's.

import { call, explained } from "../api.js";
import { byId, color, say } from "../dom.js";
import { drawOne, drawWall, imagesOf, outline, shadeTiles } from "../images.js";

const NATS_PER_BIT = Math.log(2);
const KNOWS = "Known: while it draws, it gives every choice a probability.";
const CANNOT = "Not known: a GAN gives no probability of what it draws.";

let asking = null; // ends the question to the judge, whose answer is of no use once the next race has begun

export function forgetLikelihoods() {
  asking?.abort();
  say(byId("sequential-likelihood"), KNOWS);
  say(byId("parallel-likelihood"), CANNOT);
  byId("surprise-label").hidden = true;
  byId("judge").hidden = true;
}

// `mayDraw`: the image is drawn anew, with or without its shades.
export function showOwnLikelihood(run, mayDraw) {
  if (!run.total || run.tokens.length !== run.total) return;
  const bits = run.tokens.map((token) => -token.logprob / NATS_PER_BIT);
  const total = bits.reduce((sum, each) => sum + each, 0);
  const text = `Known: ${bitsText(total / bits.length)} a tile`;
  if (run.count > 1) return say(byId("sequential-likelihood"), `${text} on average.`);
  const odds = `It would draw exactly this one once in about 10${raised(Math.round(total * Math.log10(2)))} times.`;
  say(byId("sequential-likelihood"), `${text}. ${odds}`);
  const side = Math.sqrt(run.total);
  const isInRows = Number.isInteger(side) && !run.steps;
  byId("surprise-label").hidden = !isInRows;
  const isShaded = byId("surprise").checked && isInRows;
  if (!mayDraw && !isShaded) return;
  drawOne(byId("sequential-canvas"), imagesOf(run.tokens.at(-1).image));
  // 9 bits are a blind guess among 512 tiles; more than that is as surprising as it gets.
  if (isShaded)
    shadeTiles(
      byId("sequential-canvas"),
      bits.map((each) => Math.min(1, each / 9)),
      side,
    );
}

// Asks the sequential model how likely it finds the wall.
export async function judge(run, model) {
  const button = byId("judge");
  button.disabled = true;
  asking = new AbortController();
  const { signal } = asking;
  try {
    const message = { model: model.name, images: { images: run.wall, labels: run.labels } };
    const reply = await call("sequential", "Score", message, signal);
    if (signal.aborted) return;
    showVerdicts(
      run,
      model,
      reply.likelihoods.map((each) => each.bits_per_token ?? 0),
    );
    button.hidden = true;
  } catch (error) {
    if (!signal.aborted) say(byId("parallel-likelihood"), `${CANNOT} ${explained(error)}`);
  } finally {
    button.disabled = false;
  }
}

function showVerdicts(run, model, bits) {
  const [least, most] = [Math.min(...bits), Math.max(...bits)];
  const mean = bits.reduce((sum, each) => sum + each, 0) / bits.length;
  const range =
    bits.length > 1 ? ` on average, from ${bitsText(least)} (outlined in green) to ${bitsText(most)} (in red)` : "";
  say(byId("parallel-likelihood"), `Not known to the GAN; by ${model.name}: ${bitsText(mean)} a tile${range}.`);
  drawWall(byId("parallel-canvas"), imagesOf(run.wall));
  if (bits.length === 1) return;
  outline(byId("parallel-canvas"), run.places[bits.indexOf(least)], color("--good"));
  outline(byId("parallel-canvas"), run.places[bits.indexOf(most)], color("--bad"));
}

const bitsText = (bits) => `${bits.toFixed(1)} bits`;

const raised = (power) => [...String(power)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("");
