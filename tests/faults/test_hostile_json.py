"""Large and strange JSON to the HTTP port, and good clients at the gRPC port of the same process."""

import httpx

from tests.effort import Effort
from tests.faults.attacks.hostile_json import DOCUMENTS
from tests.faults.clients import SAMPLE
from tests.faults.figures import Watch
from tests.faults.report import Sheet

SLOWEST_SECONDS = 0.5
REPLY_SECONDS = 30.0
# The code behind each HTTP status that such a document may have; 200: a number of many digits is a number.
CODES = {200: "OK", 400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 413: "RESOURCE_EXHAUSTED", 429: "RESOURCE_EXHAUSTED"}


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
