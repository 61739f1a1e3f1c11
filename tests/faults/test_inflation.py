"""Messages and bodies that would be large once they were inflated: nobody does."""

import asyncio
import gzip
import zlib

import httpx
import pytest

from tests.effort import Effort
from tests.faults.attacks.connection import connected
from tests.faults.attacks.grpc_stream import PACKERS, call_headers, framed
from tests.faults.attacks.peak_memory import MIB, PeakMemory
from tests.faults.clients import DISCRIMINATE, SAMPLE, SCORE
from tests.faults.figures import paths_of, record_growth, record_observed
from tests.faults.neighbour import Neighbour
from tests.faults.product import Product
from tests.faults.report import Record

# Methods that the good client does not call, so that these calls are counted apart.
PATHS = {"gateway": DISCRIMINATE, "sequential": SCORE, "parallel": DISCRIMINATE}
MAX_GROWTH_MIB = 32.0  # the good client's work
NUM_CALLS = 100
ENDED_SECONDS = 60.0


@pytest.mark.parametrize("which", ["gateway", "sequential", "parallel"])
@pytest.mark.parametrize("encoding", PACKERS)
async def test_compressed_messages_are_refused(
    encoding: str, which: str, product: Product, neighbour: Neighbour, effort: Effort, record: Record
) -> None:
    """Messages that would inflate to 64 MiB (with full effort 256), 100 at a time."""
    server, path = getattr(product, which), PATHS[which]
    history = await product.history_at(server)
    bomb = PACKERS[encoding](bytes(effort.of(64, 256) * MIB))
    async with neighbour.beside(server.address, paths_of(which), history) as observed:
        peak = PeakMemory(server.pid)
        codes = await _send(server.address, path, encoding, bomb)
        growth = {which: peak.growth_mib()}
    bad = sorted({code for code in codes if code != "UNIMPLEMENTED"})
    row = f"compressed messages, {encoding}, {which}"
    record(row=row, figure=len(bad), unit=f"other ends than a refusal: {bad}", bar="0", passed=not bad)
    record_growth(record, row, growth, MAX_GROWTH_MIB)
    record_observed(record, row, observed)
    for code in codes if which == "gateway" else ():  # a backend's server refuses them before anybody counts
        history.note(path, code)
    await history.counters_equal()


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


async def test_http_bodies_are_not_inflated(product: Product, effort: Effort, record: Record) -> None:
    """Bodies with content-encoding gzip and deflate that would inflate to 64 MiB (with full effort 256)."""
    history, statuses = await product.history(), []
    peak = PeakMemory(product.gateway.pid)
    plain = bytes(effort.of(64, 256) * MIB)
    async with httpx.AsyncClient(base_url=product.web_address, trust_env=False, timeout=ENDED_SECONDS) as client:
        for encoding, body in {"gzip": gzip.compress(plain), "deflate": zlib.compress(plain)}.items():
            headers = {"content-type": "application/json", "content-encoding": encoding}
            response = await client.post(SAMPLE, content=body, headers=headers)
            statuses.append(response.status_code)
            history.note(SAMPLE, "INVALID_ARGUMENT")
    bad = [status for status in statuses if status != 400]
    record(row="HTTP bodies that inflate", figure=len(bad), unit=f"not refused: {bad}", bar="0", passed=not bad)
    record_growth(record, "HTTP bodies that inflate", {"gateway": peak.growth_mib()})
    await history.counters_equal()
