// What runs, asked for again and again; those who want to know are told after each answer.

import { get } from "./api.js";
import { byId, element, whileSeen } from "./dom.js";

const listeners = [];
let latest = null;

export const onStatus = (listener) => {
  listeners.push(listener);
  if (latest) listener(latest);
};

export const followStatus = () => whileSeen(ask);

async function ask() {
  try {
    latest = await get("/status");
  } catch {
    byId("lost").hidden = false;
    show("gone", "the gateway does not answer");
    return;
  }
  byId("lost").hidden = true;
  const missing = Object.keys(latest.missing);
  if (latest.ready) show("ready", "ready");
  else show("gone", missing.length ? `${missing.join(" and ")} backend gone` : "starting or stopping");
  for (const listener of listeners) listener(latest);
}

function show(kind, text) {
  const state = byId("state");
  state.dataset.kind = kind;
  if (state.textContent !== text) state.textContent = text;
}

// A model that can do the work, or why there is none: {model, problem}. Fills `select` with those that can, where there
// is one, and takes the model that is chosen there.
export function modelFor(status, paradigm, makes, select) {
  const side = status.paradigms.find((each) => each.paradigm === paradigm);
  const models = side.models.filter((each) => each.makes === makes);
  if (select) offer(select, models.map((each) => each.name));
  if (!side.configured) return { problem: `The gateway was started without a ${paradigm} backend.` };
  const model = models.find((each) => each.name === select?.value) ?? models[0];
  if (!side.serving) {
    const states = side.replicas.map((each) => `${each.target} ${each.state.replace("_", " ")}`).join(", ");
    return { model, problem: `The ${paradigm} backend is gone (${states}). This side works again when it is back.` };
  }
  if (!model) {
    const others = side.models.map((each) => each.name).join(", ") || "nothing";
    return { problem: `No ${paradigm} model for ${makes}s is served (only ${others}). Start one with tandem up.` };
  }
  return { model };
}

function offer(select, names) {
  const offered = [...select.options].map((each) => each.value);
  if (offered.join() !== names.join()) {
    const chosen = select.value;
    select.replaceChildren(...names.map((name) => element("option", { value: name, selected: name === chosen }, name)));
  }
  select.disabled = names.length < 2;
  select.onchange = () => listeners.forEach((listener) => listener(latest));
}
