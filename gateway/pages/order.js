// What a person orders: a class and how many.

import { byId, element } from "./dom.js";

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
    fieldset.append(element("label", {}, radio, element("span", {}, names[index] ?? `class ${index}`)));
  }
}

export function chosenOrder() {
  const chosen = document.querySelector("#race-classes input:checked");
  return {
    label: chosen ? Number(chosen.value) : null,
    noun: chosen?.nextSibling.textContent ?? "picture",
    count: Number(byId("race-count").value),
  };
}
