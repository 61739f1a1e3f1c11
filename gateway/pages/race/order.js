// What a person orders: a class and how many.

import { ApiError } from "../api.js";
import { byId, element } from "../dom.js";

let offered = "";

export function offerClasses({ num_classes: count = 0, class_names: names = [] }) {
  const key = `${count} ${names}`;
  if (key === offered) return;
  offered = key;
  const fieldset = byId("race-classes");
  fieldset.hidden = !count;
  fieldset.querySelectorAll("label").forEach((each) => each.remove());
  const chosen = Math.max(0, names.indexOf("sneaker"));
  for (let index = 0; index < count; index += 1) {
    const radio = element("input", { type: "radio", name: "class", value: index, checked: index === chosen });
    fieldset.append(element("label", {}, radio, element("span", {}, names[index] ?? unnamed(index))));
  }
}

export function chosenOrder() {
  const chosen = document.querySelector("#race-classes input:checked");
  return {
    label: chosen ? Number(chosen.value) : null,
    noun: chosen?.nextSibling.textContent ?? "image",
    count: Number(byId("race-count").value),
  };
}

// The number that an ordered class has at another model: that of its name, where it has one and the model has names.
export function labelFor({ name, class_names: names = [] }, { label, noun }) {
  if (!names.length || noun === unnamed(label)) return label;
  if (!names.includes(noun)) throw new ApiError("INVALID_ARGUMENT", `${name} draws no ${noun}`);
  return names.indexOf(noun);
}

const unnamed = (index) => `class ${index}`;

// A model that takes steps draws several tiles in each: as many steps as are chosen.
export function offerSteps({ takes_steps: takesSteps = false, tokens_per_image: most = 1 }) {
  byId("race-steps-label").hidden = !takesSteps;
  byId("race-steps").max = most;
  byId("race-steps").oninput = () => (byId("race-steps-shown").textContent = byId("race-steps").value);
  byId("race-steps-shown").textContent = byId("race-steps").value;
}

export const chosenSteps = () => byId("race-steps").valueAsNumber;
