// One question in each mode of a text model, one after another: a token a step, several a step, and several that the
// model checks. Each column shows which tokens a step brought, and what it had tried ahead that did not hold.

import { stream } from "../api.js";
import { byId, duration, element, number, plural } from "../dom.js";
import { bytesOf } from "../images.js";

const ONE_BY_ONE = { speculative_tokens: 0 };

// Only a model that takes steps has the parallel mode.
export function offerModes(model) {
  for (const id of ["modes-together-label", "modes-parallel-note"]) byId(id).hidden = !model?.takes_steps;
}

// Asks what `message`, a GenerateRequest with log-probabilities, asks, and returns how the texts compare; throws an
// ApiError.
export async function compareModes(model, message, progress, signal) {
  const together = Number(byId("modes-together").value);
  const columns = [new Column("Sequential", "sequential", ONE_BY_ONE), new Column("Checked", "checked", {})];
  const several = { ...ONE_BY_ONE, tokens_per_step: together };
  if (model.takes_steps) columns.splice(1, 0, new Column(`Parallel: ${together} a step`, "parallel", several));
  byId("modes-columns").replaceChildren(...columns.map((column) => column.article));
  const seed = Math.floor(Math.random() * 2 ** 31);
  for (const column of columns) {
    progress(`Now: ${column.name}.`);
    const sampling = { ...message.sampling, seed, ...column.sampling };
    const asked = { ...message, sampling, report_drafts: true };
    for await (const { result } of stream("sequential", "Generate", asked, signal)) {
      if (result) column.take(result, model.special_token_ids ?? []);
    }
  }
  const [sequential, checked] = [columns[0], columns.at(-1)];
  return sequential.text === checked.text
    ? `Checked wrote the very text of sequential, in ${checked.steps} steps instead of ${sequential.steps}.`
    : "Checked wrote another text than sequential, which is a fault: they have to be equal.";
}

class Column {
  constructor(name, kind, sampling) {
    Object.assign(this, { name, kind, sampling, text: "", steps: 0, count: 0 });
    this.decoder = new TextDecoder();
    this.places = []; // of the output: an element each
    this.shown = element("div", { class: "tokens" });
    this.figures = element("p", { class: "count" }, "\u00a0");
    this.article = element("article", { class: "mode" }, element("h3", { class: kind }, name), this.shown, this.figures);
  }

  // Shows a GenerateResponse, which is a step. In an order of the model's own, neighbours come in steps far apart, so
  // that shades tell the order: the darker, the earlier.
  take({ token_ids: ids = [], logprobs = [], places = [], text_delta: text = "", ...rest }, specialIds) {
    this.text += text;
    this.firstCount ||= ids.length;
    const shade = places.length ? 40 * 0.93 ** this.steps : (this.steps % 2) * 22;
    let shown;
    ids.forEach((id, index) => {
      shown = this.#at(places[index] ?? this.count);
      shown.className = specialIds.includes(id) ? "end" : "";
      shown.style.setProperty("--shade", `${shade}%`);
      shown.textContent = this.#decoded(logprobs[index].token, places.length > 0);
      this.count += 1;
    });
    this.steps += ids.length ? 1 : 0;
    if (rest.finish_reason === "FINISH_REASON_STOP") this.#markEnd(places.length > 0);
    if (rest.rejected_text) shown?.before(element("del", {}, rest.rejected_text.replace(/\n/g, "↵")));
    if (rest.usage) this.#count(rest.usage, rest.timings ?? {});
  }

  // Places before it that nothing is known of are shown as gaps.
  #at(place) {
    while (this.places.length <= place) {
      this.places.push(element("span", { class: "given" }, "·"));
      this.shown.append(this.places.at(-1));
    }
    return this.places[place];
  }

  // A token may end inside a character: its bytes wait for those of the next one, where that comes next.
  #decoded(token, isAlone) {
    const decoder = isAlone ? new TextDecoder() : this.decoder;
    return decoder.decode(bytesOf(token), { stream: !isAlone });
  }

  // Where places have an order of their own, some behind the end may have been known before it.
  #markEnd(isPlaced) {
    const mayEnd = (place) => isPlaced || place === this.places.length - 1;
    const end = this.places.findIndex((each, place) => each.classList.contains("end") && mayEnd(place));
    if (end < 0) return;
    this.places[end].textContent = "end";
    this.places.slice(end + 1).forEach((each) => each.remove());
  }

  #count({ drafted_tokens: drafted = 0, accepted_tokens: accepted = 0 }, { decode_seconds: seconds = 0 }) {
    const counted = `${this.count} ${plural("token", this.count)} in ${this.steps} ${plural("step", this.steps)}`;
    const rate = seconds > 0 ? `, ${number((this.count - this.firstCount) / seconds)} tokens a second` : "";
    const tried = drafted ? ` ${accepted} of ${drafted} tokens tried ahead held.` : " Nothing was tried ahead.";
    this.figures.textContent =
      `${counted}, ${number(this.count / this.steps)} a step; ${duration(seconds)}${rate}.` +
      (this.kind === "checked" ? tried : "");
  }
}
