// A walk through the GAN's latent space: all steps in one request, then looked at one by one.

import { ApiError, explained } from "../api.js";
import { byId, duration, element, prefersStillness, say } from "../dom.js";
import { between, latentOf } from "./latents.js";
import { drawOne, drawWall, imagesOf } from "../images.js";
import { sampled } from "../sampling.js";
import { modelFor, onStatus } from "../status.js";

const NUM_STEPS = 49;
const NUM_SHOWN = 7;
const STEP_MS = 60;

let model = null;
let problem = ""; // why there is no model
let failure = ""; // what became of the last walk, until the next one
let walked = null; // {images, from, to, seconds}
let offered = ""; // the classes to choose from
let isAsking = false; // the images of a walk are on their way
let timer = null;

export function setUpWalk() {
  onStatus(takeStatus);
  byId("walk-form").addEventListener("submit", (event) => {
    event.preventDefault();
    walk();
  });
  byId("walk-slider").max = NUM_STEPS - 1;
  byId("walk-slider").addEventListener("input", () => {
    stop();
    show();
  });
  byId("walk-play").addEventListener("click", () => (timer ? stop() : play()));
}

function takeStatus(status) {
  ({ model = null, problem = "" } = modelFor(status, "parallel", "image"));
  if (model && !model.latent_dim) problem = `${model.name} says nothing of its latents.`;
  say(byId("walk-problem"), problem || failure);
  byId("walk-go").disabled = !model || Boolean(problem);
  if (model?.num_classes) offerClasses(byId("walk-class"));
  byId("walk-class").parentElement.hidden = !model?.num_classes;
}

function fail(text) {
  failure = text;
  say(byId("walk-problem"), text);
}

function offerClasses(select) {
  const names = model.class_names ?? [];
  const key = `${model.num_classes} ${names}`;
  if (key === offered) return;
  offered = key;
  select.replaceChildren(
    ...Array.from({ length: model.num_classes }, (_, index) =>
      element("option", { value: index, selected: names[index] === "ankle boot" }, names[index] ?? `class ${index}`),
    ),
  );
}

async function walk() {
  if (isAsking) return;
  const [from, to] = [byId("walk-from").value, byId("walk-to").value].map((value) => Number.parseInt(value, 10));
  if (!(from >= 0) || !(to >= 0)) return fail("A seed is a whole number from 0 to 999,999.");
  stop();
  const [start, end] = [latentOf(from, model.latent_dim), latentOf(to, model.latent_dim)];
  const values = Array.from({ length: NUM_STEPS }, (_, step) => between(start, end, step / (NUM_STEPS - 1))).flat();
  const labels = model.num_classes ? { labels: [Number(byId("walk-class").value)] } : {};
  const startedAt = performance.now();
  isAsking = true;
  try {
    const reply = await sampled({
      model: model.name,
      count: NUM_STEPS,
      latents: { values },
      ...labels,
    });
    walked = { images: imagesOf(reply.images), from, to, seconds: (performance.now() - startedAt) / 1000 };
  } catch (error) {
    if (!(error instanceof ApiError)) console.error(error);
    return fail(explained(error));
  } finally {
    isAsking = false;
  }
  fail("");
  reveal();
}

function reveal() {
  byId("walk-result").hidden = byId("walk-play").hidden = false;
  stop();
  drawStrip();
  byId("walk-slider").value = 0;
  if (prefersStillness()) show();
  else play();
}

function drawStrip() {
  const { images } = walked;
  const size = images.height * images.width * images.channels;
  const steps = Array.from({ length: NUM_SHOWN }, (_, place) =>
    Math.round((place * (NUM_STEPS - 1)) / (NUM_SHOWN - 1)),
  );
  const bytes = new Uint8Array(NUM_SHOWN * size);
  steps.forEach((step, place) => bytes.set(images.bytes.subarray(step * size, (step + 1) * size), place * size));
  drawWall(byId("walk-strip"), { ...images, count: NUM_SHOWN, bytes }, NUM_SHOWN);
}

function show() {
  const step = byId("walk-slider").valueAsNumber;
  const { images, from, to, seconds } = walked;
  drawOne(byId("walk-canvas"), images, step);
  const share = Math.round((step / (NUM_STEPS - 1)) * 100);
  byId("walk-canvas").setAttribute("aria-label", `${share} % of the way from seed ${from} to seed ${to}`);
  byId("walk-slider").setAttribute("aria-valuetext", `${share} %`);
  say(
    byId("walk-caption"),
    `From seed ${from} to seed ${to}: ${NUM_STEPS} images in one request, ${duration(seconds)}. Move the slider.`,
  );
}

function play() {
  stop();
  if (byId("walk-slider").valueAsNumber >= NUM_STEPS - 1) byId("walk-slider").value = 0;
  byId("walk-play").textContent = "Pause";
  show();
  timer = setInterval(() => {
    byId("walk-slider").valueAsNumber += 1;
    show();
    if (byId("walk-slider").valueAsNumber >= NUM_STEPS - 1) stop();
  }, STEP_MS);
}

function stop() {
  clearInterval(timer);
  timer = null;
  byId("walk-play").textContent = "Play";
}
