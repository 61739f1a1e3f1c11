// The race: one order to both paradigms, one after the other, and a record of what arrived when.

import { ApiError, explained, stream } from "../api.js";
import { byId, prefersStillness, say } from "../dom.js";
import { drawEmpty, paint } from "./lanes.js";
import { forgetLikelihoods, judge, showOwnLikelihood } from "./likelihood.js";
import { chosenOrder, chosenSteps, labelFor, offerClasses, offerSteps } from "./order.js";
import { showPhases } from "./phases.js";
import { sampled } from "../sampling.js";
import { modelFor, onStatus } from "../status.js";
import { drawing, halfway, verdict } from "./verdict.js";

const PAUSE_MS = 700; // between races when they go on by themselves
const SEEN_SECONDS = 3; // in slow motion a race takes at least this long
const AT_END = () => Infinity;
const SOON_SECONDS = 0.5; // a race that is over by then is seen in slow motion alone

const sides = { sequential: {}, parallel: {} }; // {model, problem}
let stopper = null; // stops the race, the replay or the pause under way
let last = null; // the last race that ended

export function setUpRace() {
  onStatus(takeStatus);
  byId("race-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (stopper) stop();
    else raceOn();
  });
  byId("race-replay").addEventListener("click", replay);
  byId("judge").addEventListener("click", () => judge(last, sides.sequential.model));
  byId("surprise").addEventListener("change", () => last && showOwnLikelihood(last, true));
  byId("race-count").addEventListener("change", () => last || clear());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => last || clear());
  clear();
}

const clear = () => drawEmpty(chosenOrder().count, sides.sequential.model);

function takeStatus(status) {
  for (const paradigm of Object.keys(sides)) {
    const side = (sides[paradigm] = modelFor(status, paradigm, "image", byId(`${paradigm}-name`)));
    // What the last race met stays on the page, except while the backend's state itself has something to say.
    const error = last?.errors[paradigm];
    if (!stopper) say(byId(`${paradigm}-problem`), side.problem || (error && explained(error)));
  }
  offerClasses(sides.sequential.model ?? sides.parallel.model ?? {});
  offerSteps(sides.sequential.model ?? {});
  byId("race-go").disabled = !stopper && !canRun("sequential") && !canRun("parallel");
}

const canRun = (paradigm) => Boolean(sides[paradigm].model) && !sides[paradigm].problem;

// The button stops what is under way from here to `rest`.
function busy() {
  stopper = new AbortController();
  byId("race-go").textContent = "Stop";
  byId("race-go").classList.add("stop");
  byId("race-replay").disabled = true;
  return stopper.signal;
}

function rest() {
  stopper = null;
  byId("race-go").textContent = "Go again";
  byId("race-go").classList.remove("stop");
  byId("race-replay").disabled = false;
}

function begin() {
  const signal = busy();
  byId("race-replay").hidden = true;
  forgetLikelihoods();
  clear();
  return signal;
}

function end() {
  rest();
  say(byId("race-verdict"), verdict(last));
  showPhases(last);
  showOwnLikelihood(last, false);
  byId("judge").hidden = !last.wall || !sides.sequential.model?.can_score_images || !canRun("sequential");
  byId("race-replay").hidden = !last.tokens.length || !last.wall;
}

function stop() {
  byId("race-repeat").checked = false;
  stopper.abort();
}

async function raceOn() {
  do {
    await race(chosenOrder());
  } while (goesOn() && !Object.keys(last.errors).length && (await paused()));
}

const goesOn = () => byId("race-repeat").checked;

// Waits until the next race is due; returns whether there is to be one.
async function paused() {
  const signal = busy();
  await new Promise((resolve) => {
    setTimeout(resolve, PAUSE_MS);
    signal.addEventListener("abort", resolve);
  });
  rest();
  return goesOn() && !signal.aborted;
}

async function race(order) {
  const signal = begin();
  const tiles = sides.sequential.model?.tokens_per_image;
  const total = tiles && tiles * order.count;
  const steps = sides.sequential.model?.takes_steps ? chosenSteps() : undefined;
  const run = { ...order, tiles, total, steps, startedAt: {}, tokens: [], takesPart: {}, ended: {}, outside: {}, errors: {} };
  say(byId("race-verdict"), drawing(Object.keys(sides).filter(canRun)));
  const startedAt = performance.now();
  let isOver = false;
  const still = prefersStillness();
  const isSlow = byId("race-slow").checked && !still;
  requestAnimationFrame(function frame() {
    if (isOver) return;
    if (!isSlow || performance.now() - startedAt > SOON_SECONDS * 1000) paint(run, (paradigm) => elapsed(run, paradigm), still);
    requestAnimationFrame(frame);
  });
  // One after the other: at once, each would slow the other down on the same cores.
  await side(run, "parallel", inParallel, signal);
  await side(run, "sequential", inSequence, signal);
  isOver = true;
  run.wasStopped = signal.aborted;
  last = run;
  if (isSlow && slowness(run) > 1 && !run.wasStopped && !Object.keys(run.errors).length) await replayed(signal);
  paint(run, AT_END);
  end();
}

const lasted = (run) => Math.max(...Object.values(run.ended));

// As many times slower a replay is.
const slowness = (run) => Math.max(1, Math.round(SEEN_SECONDS / lasted(run)));

const elapsed = (run, paradigm) => (performance.now() - (run.startedAt[paradigm] ?? performance.now())) / 1000;

async function side(run, paradigm, work, signal) {
  say(byId(`${paradigm}-problem`), sides[paradigm].problem);
  if (!canRun(paradigm)) return;
  run.takesPart[paradigm] = true;
  if (signal.aborted) return;
  run.startedAt[paradigm] = performance.now();
  try {
    await work(run, sides[paradigm].model, signal);
  } catch (error) {
    if (!(error instanceof ApiError)) console.error(error);
    run.errors[paradigm] = error;
    say(byId(`${paradigm}-problem`), explained(error));
  }
  run.ended[paradigm] ??= elapsed(run, paradigm);
  if (run[`${paradigm}Timings`]) goByTheGateway(run, paradigm);
}

// Puts all instants of a side on the gateway's clock, which starts when the request arrives there. What this browser
// measured more lies outside: HTTP, the network, the browser itself.
function goByTheGateway(run, paradigm) {
  const seconds = run[`${paradigm}Timings`].total_seconds;
  const outside = (run.outside[paradigm] = Math.max(0, run.ended[paradigm] - seconds));
  run.ended[paradigm] = seconds;
  if (paradigm === "parallel") run.wallSeconds = seconds;
  else for (const token of run.tokens) token.seconds = Math.max(0, token.seconds - outside);
}

async function inSequence(run, model, signal) {
  const prompt = run.label === null ? {} : { class_label: run.label };
  const sampling = { n: run.count, steps: run.steps };
  const message = { model: model.name, ...prompt, sampling, logprobs: true, partial_images: true };
  for await (const { result } of stream("sequential", "Generate", message, signal)) {
    const seconds = elapsed(run, "sequential");
    const { choice_index: choice = 0, token_ids: ids = [], logprobs = [], image, timings } = result ?? {};
    ids.forEach((_, index) => run.tokens.push({ seconds, choice, logprob: logprobs[index]?.logprob ?? 0, image }));
    if (timings) run.sequentialTimings = timings;
  }
}

async function inParallel(run, model, signal) {
  const labels = run.label === null ? {} : { labels: [labelFor(model, run)] };
  const message = { model: model.name, count: run.count, ...labels };
  const reply = await sampled(message, signal);
  run.wallSeconds = run.ended.parallel = elapsed(run, "parallel");
  // The judge, who may be asked about them, is the sequential model: the labels are as that has them.
  Object.assign(run, { wall: reply.images, labels: (reply.labels ?? []).map((label) => run.label ?? label) });
  run.parallelTimings = reply.timings;
  say(byId("race-verdict"), halfway(run));
}

// What was seen, once more and slower; nothing is computed.
async function replay() {
  await replayed(begin());
  paint(last, AT_END);
  end();
}

async function replayed(signal) {
  const [until, slower] = [lasted(last), slowness(last)];
  say(byId("race-verdict"), `This is how it went${slower > 1 ? `, ${slower} times slower` : ""}.`);
  drawEmpty(last.count, sides.sequential.model);
  const startedAt = performance.now();
  for (let seconds = 0; seconds < until && !signal.aborted;) {
    await new Promise(requestAnimationFrame);
    seconds = (performance.now() - startedAt) / 1000 / slower;
    paint(last, () => seconds);
  }
}
