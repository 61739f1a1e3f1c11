"""Messages and bodies that would be large once they were inflated: no server inflates one completely."""

import asyncio
import gzip
import zlib

import httpx
import pytest

from tests.effort import Effort
from tests.faults.attacks.connection import connected
from tests.faults.attacks.grpc_stream import PACKERS, call_headers, framed
from tests.faults.clients import DISCRIMINATE, SAMPLE, SCORE
from tests.faults.figures import Watch, expect_memory
from tests.faults.product import Product
from tests.faults.readings import MIB, PeakMemory
from tests.faults.report import Sheet

# Methods that the good client does not call, so that these calls are counted apart.
PATHS = {"gateway": DISCRIMINATE, "sequential": SCORE, "parallel": DISCRIMINATE}
MAX_GROWTH_MIB = 32.0  # the good client's work
NUM_CALLS = 100
ENDED_SECONDS = 60.0


@pytest.mark.parametrize("which", ["gateway", "sequential", "parallel"])
@pytest.mark.parametrize("encoding", ["gzip", pytest.param("deflate", marks=pytest.mark.faults)])
async def test_compressed_messages_are_refused(
    encoding: str, which: str, watch: Watch, effort: Effort, sheet: Sheet
) -> None:
    """Messages that would inflate to 64 MiB (with full effort 256), 100 at a time."""
    path, row = PATHS[which], f"compressed messages, {encoding}, {which}"
    bomb = PACKERS[encoding](bytes(effort.of(64, 256) * MIB))
    async with watch.attack(which, row, max_mib=MAX_GROWTH_MIB) as attacked:
        codes = await _send(attacked.server.address, path, encoding, bomb)
        for code in codes if which == "gateway" else ():  # a backend's server refuses them before anybody counts
            attacked.history.note(path, code)
    bad = sorted({code for code in codes if code != "UNIMPLEMENTED"})
    sheet.expect_none(row, bad, f"other ends than a refusal: {bad}")


async def _send(address: str, path: str, encoding: str, packed: bytes) -> list[str]:
    """Send the message in so many calls at once; return how each ended."""
    async with connected(address) as connection:
        headers = call_headers(path, ("grpc-encoding", encoding))
        numbers = [connection.open_stream(headers) for _ in range(NUM_CALLS)]
        await asyncio.gather(*(connection.send(number, framed(packed, compressed=True)) for number in numbers))
        try:
            return [(await connection.answer(number, ENDED_SECONDS)).status_name for number in numbers]
        except TimeoutError:
            return ["hangs"]


async def test_http_bodies_are_not_inflated(product: Product, effort: Effort, sheet: Sheet) -> None:
    """Bodies with content-encoding gzip and deflate that would inflate to 64 MiB (with full effort 256)."""
    history, bad = await product.history(), []
    peak = PeakMemory(product.gateway.pid)
    plain = bytes(effort.of(64, 256) * MIB)
    async with httpx.AsyncClient(base_url=product.web_address, trust_env=False, timeout=ENDED_SECONDS) as client:
        for encoding, body in {"gzip": gzip.compress(plain), "deflate": zlib.compress(plain)}.items():
            headers = {"content-type": "application/json", "content-encoding": encoding}
            status = (await client.post(SAMPLE, content=body, headers=headers)).status_code
            if status == 400:  # Envoy's own refusals are of no RPC
                history.note(SAMPLE, "INVALID_ARGUMENT")
            if status != {"gzip": 413, "deflate": 400}[encoding]:
                bad.append(f"{encoding}: {status}")
    sheet.expect_none("HTTP bodies that inflate", bad, f"not refused: {bad}")
    expect_memory(sheet, "HTTP bodies that inflate", {"gateway": peak.growth_mib()})
    await history.counters_equal()
