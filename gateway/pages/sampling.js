// Images of the parallel model in one reply, or, where one reply is too small, in parts that are put together.

import { call, stream } from "./api.js";
import { bytesOf } from "./images.js";

const TOO_LARGE = "REPLY_TOO_LARGE";
const CHUNK = 24_000; // bytes; a multiple of three, so that pieces of base64 can follow each other

// Returns a SampleResponse; throws an ApiError.
export async function sampled(message, signal) {
  try {
    return await call("parallel", "Sample", message, signal);
  } catch (error) {
    if (error.reason !== TOO_LARGE) throw error;
  }
  const parts = [];
  for await (const { result } of stream("parallel", "SampleStream", { sample: message }, signal)) {
    if (result) parts.push(result.part);
  }
  return joined(parts);
}

function joined(parts) {
  const pieces = parts.map((part) => bytesOf(part.images.data));
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  pieces.reduce((start, piece) => (bytes.set(piece, start), start + piece.length), 0);
  const count = parts.reduce((sum, part) => sum + part.images.shape[0], 0);
  const images = { ...parts[0].images, shape: [count, ...parts[0].images.shape.slice(1)], data: base64Of(bytes) };
  return { ...parts[0], images, labels: parts.flatMap((part) => part.labels ?? []), timings: parts.at(-1).timings };
}

function base64Of(bytes) {
  let text = "";
  for (let start = 0; start < bytes.length; start += CHUNK) {
    text += btoa(String.fromCharCode(...bytes.subarray(start, start + CHUNK)));
  }
  return text;
}
