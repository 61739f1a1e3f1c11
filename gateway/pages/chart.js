// A chart of lines over the last minutes, with a logarithmic scale: both paradigms fit on one.

import { duration, svgElement } from "./dom.js";

const LEFT = 56;
const BOTTOM = 22;
const TOP = 8;

export class Chart {
  constructor(svg, format) {
    this.svg = svg;
    this.format = format;
    this.shown = null;
    new ResizeObserver(() => this.shown && this.show(...this.shown)).observe(svg);
  }

  // Each line: {model, style, kind, points: [[age in seconds, value or null], ...]}
  show(lines, keptSeconds) {
    this.shown = [lines, keptSeconds];
    const [width, height] = [this.svg.clientWidth || 400, this.svg.clientHeight || 190];
    const values = lines.flatMap((line) => line.points.map(([, value]) => value).filter((value) => value > 0));
    if (!values.length) {
      this.svg.replaceChildren(
        svgElement("text", { x: width / 2, y: height / 2, "text-anchor": "middle", class: "label" }, "nothing yet"),
      );
      this.svg.setAttribute("aria-label", "Nothing has been measured in the last minutes");
      return;
    }
    const [low, high] = decades(Math.min(...values), Math.max(...values));
    const x = (age) => LEFT + (1 - age / keptSeconds) * (width - LEFT - 4);
    const y = (value) => TOP + (1 - (Math.log10(value) - low) / (high - low)) * (height - TOP - BOTTOM);
    this.svg.replaceChildren(
      ...this.#grid(low, high, y, width),
      ...times(keptSeconds, x, height),
      ...lines.flatMap((line) => drawn(line, x, y)),
    );
    this.svg.setAttribute(
      "aria-label",
      lines
        .filter((line) => line.kind === "main")
        .map((line) => this.#latest(line))
        .join("; "),
    );
  }

  #grid(low, high, y, width) {
    const parts = [];
    for (let power = low; power <= high; power += 1) {
      const at = y(10 ** power);
      parts.push(svgElement("line", { x1: LEFT, x2: width, y1: at, y2: at, class: "grid" }));
      parts.push(
        svgElement(
          "text",
          { x: LEFT - 6, y: at + 4, "text-anchor": "end", class: "label" },
          this.format(10 ** power),
        ),
      );
    }
    return parts;
  }

  #latest(line) {
    const last = line.points.findLast(([, value]) => value > 0);
    return last ? `${line.model}: ${this.format(last[1])}, ${duration(last[0])} ago` : `${line.model}: nothing`;
  }
}

function decades(lowest, highest) {
  const low = Math.floor(Math.log10(lowest));
  return [low, Math.max(low + 1, Math.ceil(Math.log10(highest)))];
}

function times(keptSeconds, x, height) {
  const minutes = keptSeconds / 60;
  return Array.from({ length: minutes + 1 }, (_, minute) => {
    const anchor = minute === 0 ? "end" : minute === minutes ? "start" : "middle";
    const text = minute === 0 ? "now" : minute === minutes ? `${minute} min` : `${minute}`;
    return svgElement("text", { x: x(minute * 60), y: height - 4, "text-anchor": anchor, class: "label" }, text);
  });
}

// A line breaks where nothing was measured; a point alone is a dot.
function drawn({ style, kind, points }, x, y) {
  const runs = [[]];
  for (const [age, value] of points) {
    if (value > 0) runs.at(-1).push([x(age), y(value)]);
    else if (runs.at(-1).length) runs.push([]);
  }
  const paths = runs
    .filter((run) => run.length)
    .map(
      (run) =>
        `M${(run.length > 1 ? run : [run[0], run[0]]).map((place) => place.map((each) => each.toFixed(1)).join(" ")).join("L")}`,
    );
  return [svgElement("path", { d: paths.join(""), class: `line ${style} ${kind}` })];
}
