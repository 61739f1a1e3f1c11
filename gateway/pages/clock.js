// The last minutes, from /history: two charts and a table of the same numbers.

import { get } from "./api.js";
import { Chart } from "./chart.js";
import { byId, duration, element, number, plural, tableParts, whileSeen } from "./dom.js";

export async function followHistory() {
  const latency = new Chart(byId("clock-latency"), duration);
  const throughput = new Chart(byId("clock-throughput"), number);
  await whileSeen(async () => {
    try {
      show(await get("/history"), latency, throughput);
    } catch (error) {
      if (error.status !== "LOST") throw error; // that the gateway is gone is said at the top of the page
    }
  });
}

function show(history, latency, throughput) {
  const series = named(history.series.filter((each) => each.finished));
  const lines = (values) =>
    series.flatMap((each) =>
      values.map(([of, kind]) => ({
        ...each,
        kind,
        points: each.points.map((point) => [point.age_seconds, of(point, each)]),
      })),
    );
  latency.show(
    lines([
      [(point) => point.p50_seconds, "main"],
      [(point) => point.p95_seconds, "upper"],
    ]),
    history.kept_seconds,
  );
  throughput.show(
    lines([[(point, each) => point.outputs_per_second[each.unit] || null, "main"]]),
    history.kept_seconds,
  );
  byId("clock-table").replaceChildren(...table(series));
  byId("clock-note").textContent = series.length
    ? `Each point of a curve covers the ${history.window_seconds} seconds before it; quantiles are within a histogram bucket.`
    : "Nothing has finished yet.";
}

// An image model's unit is the image, in sequence too, so that both paradigms can be compared.
function named(series) {
  const seen = {};
  return series.map((each) => {
    const place = (seen[each.paradigm] = (seen[each.paradigm] ?? -1) + 1);
    return {
      ...each,
      unit: each.outputs.image ? "image" : "token",
      style: `${each.paradigm} style-${Math.min(place, 2)}`,
    };
  });
}

function table(series) {
  const rows = series.map((each) => {
    const total = `${number(each.outputs[each.unit])} ${plural(each.unit, each.outputs[each.unit])}`;
    const key = element("span", { class: `key ${each.style}`, "aria-hidden": "true" });
    return [[key, each.model], total, duration(each.p50_seconds), duration(each.p99_seconds)];
  });
  return tableParts("Since the start, of requests that ended well", ["model", "outputs", "p50", "p99"], rows);
}
