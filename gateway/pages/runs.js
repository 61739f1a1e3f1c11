// What runs, as /status tells it: replicas, models, requests, and how to call the gateway from elsewhere.

import { byId, duration, element } from "./dom.js";
import { hasKey } from "./key.js";
import { onStatus } from "./status.js";

const STATES = { serving: "serving", not_ready: "not ready, or not reachable" };
let shown = "";

export function setUpRuns() {
  onStatus((status) => {
    const text = JSON.stringify(status);
    if (text === shown) return; // leave a selection alone
    shown = text;
    byId("runs-paradigms").replaceChildren(...status.paradigms.map(paradigm));
    byId("runs-calls").textContent = calls(`${location.hostname}:${status.grpc_port}`);
  });
}

function paradigm(each) {
  const state = each.serving ? "serving" : each.configured ? "backend gone" : "not configured";
  return element(
    "div",
    {},
    element(
      "h3",
      {},
      element("span", { class: each.paradigm }, each.paradigm),
      " ",
      element("span", { class: each.serving ? "good" : "bad" }, state),
    ),
    table(
      ["replica", "state", "in flight"],
      each.replicas.map((one) => [one.target, STATES[one.state], one.in_flight]),
    ),
    table(
      ["model", "makes", "runs on", "licence"],
      each.models.map((one) => [one.name, one.makes, one.runs_on, one.licence ?? ""]),
    ),
    table(
      ["RPC", "ended with", "p50", "p95"],
      each.rpcs.map((one) => [one.rpc, codes(one.requests), duration(one.p50_seconds), duration(one.p95_seconds)]),
    ),
  );
}

const codes = (requests) =>
  Object.entries(requests)
    .map(([code, count]) => `${code} ${count}`)
    .join(", ");

function table(heads, rows) {
  if (!rows.length) return element("p", { class: "soft" }, `No ${heads[0]} yet.`);
  const line = (tag, cells) =>
    element("tr", {}, ...cells.map((text) => element(tag, tag === "th" ? { scope: "col" } : {}, String(text))));
  return element(
    "div",
    { class: "scroll" },
    element(
      "table",
      {},
      element("thead", {}, line("th", heads)),
      element("tbody", {}, ...rows.map((row) => line("td", row))),
    ),
  );
}

function calls(address) {
  const isEncrypted = location.protocol === "https:";
  const [ours, key] = hasKey() ? ["export TANDEM_API_KEY=...\n", ' -H "authorization: Bearer $TANDEM_API_KEY"'] : ["", ""];
  const ca = isEncrypted ? "export TANDEM_CLIENT_CA=ca.pem\n" : "";
  return `${ours}${ca}tandem generate "Once upon a time" --address ${address}
tandem sample --address ${address}
grpcurl ${isEncrypted ? "-cacert ca.pem" : "-plaintext"}${key} -d '{"count": 4, "seed": 1}' ${address} tandem.gan.v1.GanService/Sample
curl ${isEncrypted ? "--cacert ca.pem " : ""}${location.origin}/tandem.gan.v1.GanService/Sample${key} -H 'content-type: application/json' -d '{"count": 4}'
python -c 'from tandem.client import TandemClient
with TandemClient("${address}") as client: client.sample(4, seed=1).to_grid().save("images.png")'`;
}
