// The gateway's RPCs as JSON: POST /<service>/<rpc>, a reply or lines of them. Knows nothing of the page.

import { fetchWithKey } from "./key.js";

const SERVICES = { sequential: "tandem.ar.v1.AutoregressiveService", parallel: "tandem.gan.v1.GanService" };

export class ApiError extends Error {
  constructor(status, message, reason = "") {
    super(message);
    this.reason = reason; // what a program may tell it by, as google.rpc.BadRequest has it
    this.status = status; // the name of a gRPC status code, or LOST: the gateway does not answer
  }
}

async function request(paradigm, rpc, message, signal) {
  const response = await asking(() =>
    fetchWithKey(`/${SERVICES[paradigm]}/${rpc}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(message),
      signal,
    }),
  );
  if (!response.ok) throw refusal(await response.json().catch(() => null));
  return response;
}

// Returns the reply; throws an ApiError.
export async function call(paradigm, rpc, message, signal) {
  const response = await request(paradigm, rpc, message, signal);
  return asking(() => response.json());
}

// Yields {result} for each message and last {end}; throws what ended the stream otherwise.
export async function* stream(paradigm, rpc, message, signal) {
  const response = await request(paradigm, rpc, message, signal);
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let hasEnded = false;
  try {
    for (;;) {
      const { done, value } = await asking(() => reader.read());
      if (done) break;
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop();
      for (const text of lines) {
        const line = JSON.parse(text);
        if (line.error) throw refusal(line);
        hasEnded = Boolean(line.end);
        yield line;
      }
    }
  } finally {
    if (!hasEnded) reader.cancel().catch(() => {}); // a caller that stops reading cancels the work
  }
  if (!hasEnded) throw new ApiError("LOST", "the stream broke off before its end");
}

export async function get(path) {
  const response = await asking(() => fetchWithKey(path));
  if (!response.ok) throw new ApiError("LOST", `${path}: ${response.status}`);
  return asking(() => response.json());
}

async function asking(act) {
  try {
    return await act();
  } catch (error) {
    if (error.name === "AbortError") throw new ApiError("CANCELLED", "");
    throw new ApiError("LOST", "the gateway does not answer");
  }
}

function refusal(body) {
  const reason = body?.error?.details?.[0]?.fieldViolations?.[0]?.reason;
  return body?.error
    ? new ApiError(body.error.status, body.error.message, reason)
    : new ApiError("INTERNAL", "no reason given");
}

const WORDS = {
  LOST: "The connection is lost",
  UNAVAILABLE: "Not available",
  RESOURCE_EXHAUSTED: "Refused for now",
  NOT_FOUND: "No such model",
  DEADLINE_EXCEEDED: "The deadline passed",
};

// An error as the page shows it.
export function explained({ status, message }) {
  if (status === "CANCELLED") return "Stopped. The gateway has cancelled the request.";
  return `${status ? (WORDS[status] ?? "Refused") : "A fault of this page"}: ${message}.`;
}
