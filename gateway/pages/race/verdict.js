// A race in one sentence, by the gateway's clock.

import { duration, number, plural } from "../dom.js";

export function verdict(run) {
  const isWhole = run.total && run.tokens.length === run.total;
  if (run.wasStopped) return stopped(run);
  if (run.wall && isWhole) return `${ofTheWall(run)} ${ofTheSequence(run)} ${winner(run)}`;
  if (run.wall) return `${ofTheWall(run)} The sequential side ${missing(run, "sequential")}.`;
  const drawn = isWhole ? ofTheSequence(run) : "Nothing in sequence.";
  return `${drawn} The parallel side ${missing(run, "parallel")}.`;
}

const missing = (run, paradigm) => (run.takesPart[paradigm] ? "did not finish" : "could not take part");

// What is said while all that can take part draw.
export const drawing = (paradigms) =>
  paradigms.length === 1 ? `Only the ${paradigms[0]} side is drawing …` : "The parallel side draws first …";

// What is said while one side still draws.
export function halfway(run) {
  return run.takesPart.sequential ? `${ofTheWall(run)} In sequence: still drawing …` : ofTheWall(run);
}

function ofTheWall({ count, noun, wallSeconds }) {
  const each = count > 1 ? `, ${duration(wallSeconds / count)} each` : "";
  return `In parallel: ${count} ${plural(noun, count)} in ${duration(wallSeconds)}${each}.`;
}

function ofTheSequence({ count, noun, ended, steps }) {
  const each = count > 1 ? `, ${duration(ended.sequential / count)} each` : "";
  const way = steps ? ` in ${steps} ${plural("step", steps)}` : "";
  return `In sequence${way}: ${count} ${plural(noun, count)} in ${duration(ended.sequential)}${each}.`;
}

function winner({ wallSeconds, ended }) {
  const ratio = ended.sequential / wallSeconds;
  if (Math.round(Math.max(ratio, 1 / ratio) * 10) === 10) return "Both took the same time.";
  return ratio > 1
    ? `The sequential model took ${number(ratio)} times as long.`
    : `The parallel model took ${number(1 / ratio)} times as long.`;
}

function stopped(run) {
  const wall = run.wall ? `${run.count} ${plural(run.noun, run.count)} in parallel` : "none in parallel";
  return `Stopped after ${run.tokens.length} of ${run.total ?? "?"} tiles in sequence, ${wall}. The gateway ended the work.`;
}
