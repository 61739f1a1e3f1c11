"""Large and strange JSON to the HTTP port, and good clients at the gRPC port of the same process."""

from collections.abc import Mapping

import httpx

from tests.effort import Effort
from tests.faults.clients import SAMPLE
from tests.faults.figures import Watch
from tests.faults.report import Sheet

SLOWEST_SECONDS = 0.5
REPLY_SECONDS = 30.0
# The code behind each HTTP status that such a document may have; 200: a number of many digits is a number.
CODES = {200: "OK", 400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 413: "RESOURCE_EXHAUSTED", 429: "RESOURCE_EXHAUSTED"}
NUM_BYTES = 900_000  # of each document, so that it is work to refuse or to read


def _filled(head: str, unit: str, tail: str) -> bytes:
    """Return head, as many units as fit, and tail."""
    count = (NUM_BYTES - len(head) - len(tail)) // len(unit.encode())
    return (head + unit * count + tail).encode()


def _unknown_keys() -> bytes:
    """Return an object of keys that are all different."""
    pairs = ",".join(f'"key{index:06}":{index:06}' for index in range(100_000, 100_000 + NUM_BYTES // 19))
    return f"{{{pairs}}}".encode()


DOCUMENTS: Mapping[str, bytes] = {
    "deep lists": _filled("", "[", ""),
    "deep lists, closed": b"[" * (NUM_BYTES // 2) + b"]" * (NUM_BYTES // 2),
    "deep objects": _filled("", '{"images":', ""),
    "900 nested objects of the contract": b'{"source":' * 900 + b"1" + b"}" * 900,
    "a number of 900,000 digits": _filled('{"count":', "9", "}"),
    "a fraction of 900,000 digits": _filled('{"truncation":0.', "3", "}"),
    "a huge exponent": b'{"truncation":1e999999999}',
    "many unknown keys": _unknown_keys(),
    "many labels": _filled('{"count":1,"labels":[', "7,", "7]}"),
    "many labels, the last of them wrong": _filled('{"count":1,"labels":[', "7,", '"x"]}'),
    "many latents": _filled('{"latents":{"values":[', "0.5,", "0.5]}}"),
    "many latents, the last of them wrong": _filled('{"latents":{"values":[', "0.5,", "{}]}}"),
    "the same key again and again": _filled("{", '"count":1,', '"count":0}'),
    "a long string": _filled('{"model":"', "m", '"}'),
    "a long string of escapes": _filled('{"model":"', "\\u0000", '"}'),
    "a long string of surrogates": _filled('{"model":"', "\\ud800", '"}'),
    "a long key": _filled('{"', "k", '":1}'),
    "bytes that are no UTF-8": b'{"model":"' + b"\xff" * NUM_BYTES + b'"}',
    "NaN and Infinity": _filled('{"latents":{"values":[', "NaN,Infinity,", "0]}}"),
    "blanks": _filled("", " ", "{}x"),
}


async def test_hostile_json_is_refused_and_holds_nobody_up(watch: Watch, effort: Effort, sheet: Sheet) -> None:
    """20 kinds of JSON of 0.9 MB, one after another: deep, with huge numbers, many, long and repeated keys; a good
    client beside them."""
    slowest, odd = {"none": 0.0}, list[str]()
    async with (
        watch.attack("gateway", "hostile JSON", max_seconds=SLOWEST_SECONDS, max_mib=None) as attacked,
        httpx.AsyncClient(base_url=attacked.server.web_address, trust_env=False, timeout=REPLY_SECONDS) as client,
    ):
        for name, body in list(DOCUMENTS.items()) * effort.of(1, 20):
            response = await client.post(SAMPLE, content=body, headers={"content-type": "application/json"})
            code = CODES.get(response.status_code)
            if code is None:
                odd.append(f"{name}: {response.status_code}")
            attacked.history.note(SAMPLE, code or f"HTTP {response.status_code}")
            slowest[name] = max(slowest.get(name, 0.0), response.elapsed.total_seconds())
    sheet.expect_none("hostile JSON", odd, f"documents with another end than a refusal or a good reply: {odd}")
    name = max(slowest, key=lambda name: slowest[name])
    row = "hostile JSON: time to refuse"
    sheet.expect_in_time(row, slowest[name], SLOWEST_SECONDS, f"s for the slowest ({name})")
