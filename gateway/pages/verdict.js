// A race in one sentence.

import { duration, plural, withArticle } from "./dom.js";

export function verdict(run) {
  const isWhole = run.total && run.tokens.length === run.total;
  if (run.wasStopped) return stopped(run);
  if (run.wall && isWhole) return `${ofTheWall(run)} ${ofThePicture(run)}`;
  if (run.wall) return `${ofTheWall(run)} The sequential side ${missing(run, "sequential")}.`;
  const picture = isWhole
    ? `In sequence: ${withArticle(run.noun)} in ${duration(run.ended.sequential)}.`
    : "No picture in sequence.";
  return `${picture} The parallel side ${missing(run, "parallel")}.`;
}

const missing = (run, paradigm) => (run.takesPart[paradigm] ? "did not finish" : "could not take part");

// What is said while one side still draws.
export function halfway(run) {
  return run.takesPart.sequential ? `${ofTheWall(run)} In sequence: still drawing …` : ofTheWall(run);
}

function ofTheWall({ count, noun, wallSeconds }) {
  const each = count > 1 ? `, ${duration(wallSeconds / count)} each` : "";
  return `In parallel: ${count} ${plural(noun, count)} in ${duration(wallSeconds)}${each}.`;
}

function ofThePicture({ tokens, total, wallSeconds, ended, count }) {
  const by = tokens.filter((token) => token.seconds <= wallSeconds).length;
  const wall = count > 1 ? "the wall was whole" : "the other was whole";
  return `In sequence: one in ${duration(ended.sequential)}; it had ${by} of its ${total} tiles when ${wall}.`;
}

function stopped(run) {
  const wall = run.wall ? `${run.count} ${plural(run.noun, run.count)} in parallel` : "none in parallel";
  return `Stopped after ${run.tokens.length} of ${run.total ?? "?"} tiles in sequence, ${wall}. The gateway ended the work.`;
}
