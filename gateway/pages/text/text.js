// The language model: an answer as it is generated, or a text of one's own, scored.

import { ApiError, call, explained, stream } from "../api.js";
import { byId, duration, element, number, plural, say } from "../dom.js";
import { modelFor, onStatus } from "../status.js";
import { compareModes, offerModes } from "./modes.js";
import { tokenView } from "./tokens.js";

const ALTERNATIVES = 5;

let model = null;
let problem = ""; // why there is no model
let failure = ""; // what became of the last request, until the next one
let turns = []; // messages of the conversation
let running = null;
let view;

export function setUpText() {
  view = tokenView();
  onStatus(takeStatus);
  byId("text-form").addEventListener("submit", (event) => {
    event.preventDefault();
    run(answer);
  });
  byId("prompt").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run(answer);
  });
  byId("text-score").addEventListener("click", () => run(score));
  byId("text-modes").addEventListener("click", () => run(inEachMode));
  byId("text-stop").addEventListener("click", () => running?.abort());
  byId("text-new").addEventListener("click", beginNewConversation);
  byId("text-model").addEventListener("change", beginNewConversation);
}

function takeStatus(status) {
  ({ model = null, problem = "" } = modelFor(status, "sequential", "text", byId("text-model")));
  offerModes(model);
  if (!running) {
    enable();
    say(byId("text-problem"), problem || failure);
  }
}

function beginNewConversation() {
  running?.abort();
  clear();
  say(byId("text-summary"), "");
  converse([]);
}

// Shows the turns of a conversation, in which the next question is the next turn. The last answer is shown by tokens.
function converse(messages) {
  turns = messages;
  list(turns.slice(0, -1));
}

// Makes room among the tokens, whose answer joins the turns.
function clear(first) {
  view.clear(first);
  byId("modes").hidden = true;
  list(turns);
}

function list(messages) {
  byId("turns").replaceChildren(...messages.map(({ role, content }) => element("li", { class: role }, content)));
  byId("turns").hidden = byId("text-new").hidden = !turns.length;
}

function fail(text) {
  failure = text;
  say(byId("text-problem"), text);
}

function enable() {
  for (const id of ["text-go", "text-score", "text-modes"]) byId(id).disabled = !model || Boolean(problem) || Boolean(running);
  byId("text-stop").hidden = !running;
}

async function run(work) {
  const prompt = byId("prompt").value.trim();
  if (!model || problem || running) return;
  if (!prompt) return fail("Enter a text first.");
  running = new AbortController();
  enable();
  fail("");
  const figures = { startedAt: performance.now(), count: 0 };
  try {
    await work(prompt, figures, running.signal);
  } catch (error) {
    if (!(error instanceof ApiError)) console.error(error);
    fail(explained(error));
    if (!figures.count) byId("text-output").hidden = true;
    say(byId("text-summary"), figures.count ? `${tokens(figures.count)} had come.` : "");
  }
  running = null;
  enable();
}

async function answer(prompt, figures, signal) {
  clear();
  say(byId("text-summary"), "Waiting for the first token …");
  const before = turns;
  const messages = [...before, { role: "user", content: prompt }];
  const message = { ...request(messages), top_logprobs: ALTERNATIVES };
  let bits = 0;
  let text = "";
  for await (const { result } of stream("sequential", "Generate", message, signal)) {
    text += result?.text_delta ?? "";
    for (const token of result?.logprobs ?? []) {
      figures.firstSeconds ??= seconds(figures);
      figures.lastSeconds = seconds(figures);
      figures.count += 1;
      bits -= (token.logprob ?? 0) / Math.log(2);
      view.add(token);
    }
    if (result?.finish_reason === "FINISH_REASON_STOP") view.end(text);
    if (figures.count) say(byId("text-summary"), listed(tokens(figures.count), rate(figures)));
  }
  const course = listed(tokens(figures.count), `the first after ${duration(figures.firstSeconds)}`, rate(figures));
  const measured = `${course}; ${(bits / figures.count).toFixed(1)} bits a token.`;
  say(byId("text-summary"), figures.count ? measured : "The model ended its answer before the first token.");
  if (turns === before) converse([...messages, { role: "assistant", content: text }]);
}

// The conversation goes on from before: an answer of these does not join it.
async function inEachMode(prompt, figures, signal) {
  clear();
  byId("text-output").hidden = true;
  byId("modes").hidden = false;
  const progress = (text) => say(byId("text-summary"), text);
  progress(await compareModes(model, request([...turns, { role: "user", content: prompt }]), progress, signal));
}

function request(messages) {
  const temperature = byId("text-temperature").valueAsNumber;
  const most = Math.min(byId("text-max").valueAsNumber, model.window_tokens || Infinity);
  const sampling = { max_tokens: most || undefined };
  if (Number.isFinite(temperature)) sampling.temperature = temperature;
  const chat = { messages, plain_without_template: true };
  return { model: model.name, chat, sampling, logprobs: true };
}

async function score(prompt, figures, signal) {
  say(byId("text-summary"), "Scoring …");
  const reply = await call("sequential", "Score", { model: model.name, texts: { texts: [prompt] } }, signal);
  const [likelihood] = reply.likelihoods;
  const scored = likelihood.tokens ?? [];
  // The first token is the context of the second and has no probability itself.
  clear(firstToken(prompt, scored));
  for (const token of scored) view.add(token);
  const bits = likelihood.bits_per_token ?? 0;
  say(
    byId("text-summary"),
    `${tokens(scored.length)} scored in ${duration(seconds(figures))}: ${bits.toFixed(2)} bits a token, as if it ` +
      `chose among ${number(2 ** bits)} at each; log-probability ${(likelihood.total_logprob ?? 0).toFixed(1)}.`,
  );
}

function firstToken(prompt, scored) {
  const rest = scored.reduce((sum, token) => sum + atob(token.token ?? "").length, 0);
  const bytes = new TextEncoder().encode(prompt);
  return new TextDecoder().decode(bytes.slice(0, Math.max(0, bytes.length - rest)));
}

const tokens = (count) => `${count} ${plural("token", count)}`;

const listed = (...parts) => parts.filter(Boolean).join(", ");

const seconds = (figures) => (performance.now() - figures.startedAt) / 1000;

function rate({ count, firstSeconds, lastSeconds }) {
  return count > 1 && lastSeconds > firstSeconds
    ? `then ${number((count - 1) / (lastSeconds - firstSeconds))} tokens a second`
    : "";
}
