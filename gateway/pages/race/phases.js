// Where the time of a race went: the backends' phases, and what they do not account for.

import { byId, duration, tableParts } from "../dom.js";

const PHASES = {
  queue_seconds: "waited in the queue",
  prefill_seconds: "prompt, up to the first token",
  batch_wait_seconds: "waited for its batch",
  decode_seconds: "token after token",
  compute_seconds: "in the model, one pass",
  encode_seconds: "turned into images",
};

const ELSEWHERE = "elsewhere in the backend";
const CLOCK = "all of these, by the gateway's clock";
const OUTSIDE = "HTTP, network and this browser, beside it";

export function showPhases(run) {
  const columns = ["sequential", "parallel"].map((paradigm) => column(run, paradigm));
  const names = [...Object.values(PHASES), ELSEWHERE, CLOCK, OUTSIDE];
  const rows = names
    .filter((name) => columns.some((each) => each?.[name] !== undefined))
    .map((name) => [name, ...columns.map((each) => duration(each?.[name]))]);
  const heads = ["", "in sequence", "in parallel"];
  byId("race-phases").replaceChildren(...tableParts("Phases of the last race", heads, rows));
}

function column(run, paradigm) {
  const timings = run[`${paradigm}Timings`];
  if (!timings || run.errors[paradigm]) return null;
  const found = {};
  for (const [field, name] of Object.entries(PHASES)) {
    if (timings[field]) found[name] = timings[field];
  }
  const sum = Object.values(found).reduce((total, each) => total + each, 0);
  found[ELSEWHERE] = Math.max(0, timings.total_seconds - sum);
  found[CLOCK] = timings.total_seconds;
  found[OUTSIDE] = run.outside[paradigm];
  return found;
}
