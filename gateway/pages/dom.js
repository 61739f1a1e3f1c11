// Small helpers: find and make elements, write numbers.

export const byId = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

export function svgElement(tag, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text) made.textContent = text;
  return made;
}

// The parts of a table: each row begins with what it is about, which may have several children; the rest are numbers.
export function tableParts(caption, heads, rows) {
  const head = (text, place) => element("th", { scope: "col", class: place ? "number" : "" }, text);
  const line = ([about, ...numbers]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, ...[about].flat()),
      ...numbers.map((text) => element("td", { class: "number" }, text)),
    );
  return [
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...heads.map(head))),
    element("tbody", {}, ...rows.map(line)),
  ];
}

// Calls `act` at once and then every `everyMs`, while the page is visible. Never returns.
export async function whileSeen(act, everyMs = 2000) {
  for (;;) {
    if (!document.hidden) await act();
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

// Shows `text` in the element, or hides the element if there is none.
export function say(target, text) {
  target.textContent = text ?? "";
  target.hidden = !text;
}

// Two digits, from 100 on three: as many as a clock on a busy machine deserves.
const digits = (value) => (value >= 100 ? Math.round(value) : Number(value.toPrecision(2)));

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds >= 0.9995) return `${digits(seconds)} s`;
  if (seconds >= 0.9995e-3) return `${digits(seconds * 1e3)} ms`;
  return `${Math.round(seconds * 1e6)} µs`;
}

export function number(value) {
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return value === 0 ? "0" : String(Number(value.toPrecision(2)));
}

export const percent = (share) =>
  share >= 0.0995 ? `${Math.round(share * 100)} %` : `${Number((share * 100).toPrecision(1))} %`;

export const prefersStillness = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

export const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// "a sneaker", "an ankle boot"
export const withArticle = (name) => `${/^[aeiou]/i.test(name) ? "an" : "a"} ${name}`;
export const plural = (name, count) => (count === 1 ? name : /(s|x|ch|ss)$/.test(name) ? `${name}es` : `${name}s`);
