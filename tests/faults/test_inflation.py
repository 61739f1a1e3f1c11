"""Messages and bodies that are small on the wire and large once they are inflated."""

import asyncio
import gzip
import zlib

import httpx
import pytest

from tandem.gan.v1 import gan_pb2
from tests.effort import Effort
from tests.faults.attacks.connection import connected
from tests.faults.attacks.grpc_stream import PACKERS, call_headers, framed
from tests.faults.attacks.peak_memory import MIB, PeakMemory
from tests.faults.clients import DISCRIMINATE, SAMPLE, SCORE
from tests.faults.figures import paths_of, record_growth, record_observed
from tests.faults.history import History
from tests.faults.neighbour import Neighbour
from tests.faults.product import Product
from tests.faults.report import Record
from tests.faults.scrape import Calls, scrape
from tests.faults.server import Server

# Methods that the good client does not call, so that these calls are counted apart.
PATHS = {"gateway": DISCRIMINATE, "sequential": SCORE, "parallel": DISCRIMINATE}
MAX_GROWTH_MIB = 160.0  # four messages of the core's limit, 16 MiB, twice, and the good client's work
NUM_CALLS = 4
ENDED_SECONDS = 60.0
REFUSED = {"RESOURCE_EXHAUSTED", "INVALID_ARGUMENT", "UNIMPLEMENTED"}


@pytest.mark.parametrize("which", ["gateway", "sequential", "parallel"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_messages_that_inflate_are_refused(
    encoding: str, which: str, product: Product, neighbour: Neighbour, effort: Effort, record: Record
) -> None:
    """Compressed messages that inflate to 8 and 64 MiB (with full effort 256), four at a time, some packed twice."""
    server, path = getattr(product, which), PATHS[which]
    history = await product.history_at(server)
    before = (await scrape(server.metrics_url)).calls()
    codes: list[str] = []
    async with neighbour.beside(server.address, paths_of(which), history) as observed:
        peak = PeakMemory(server.pid)
        for bomb in _bombs(encoding, effort.of(64, 256)):
            codes += await _send(server.address, path, encoding, bomb)
        growth = {which: peak.growth_mib()}
    bad = sorted({code for code in codes if code not in REFUSED})
    row = f"messages that inflate, {encoding}, {which}"
    record(row=row, figure=len(bad), unit=f"other ends than a refusal: {bad}", bar="0", passed=not bad)
    record_growth(record, row, growth, MAX_GROWTH_MIB)
    record_observed(record, row, observed)
    await _note_as_counted(history, server, path, before, len(codes))
    await history.counters_equal()


async def _note_as_counted(history: History, server: Server, path: str, before: Calls, num_calls: int) -> None:
    """Note the calls as the server counts them: each once, as some refusal. Raises TimeoutError if some are missing.

    What gRPC's core refuses by its size looks to the server like a caller who left, so the code is not the caller's.
    """
    async with asyncio.timeout(ENDED_SECONDS):
        while True:
            counted = (await scrape(server.metrics_url)).calls()
            counted.subtract(before)
            found = {code: count for (its_path, code), count in counted.items() if its_path == path and count}
            if sum(found.values()) >= num_calls:
                break
            await asyncio.sleep(0.05)
    for code, count in found.items():
        assert code in {*REFUSED, "CANCELLED"}, found
        for _ in range(count):
            history.note(path, code)


def _bombs(encoding: str, large_mib: int) -> list[bytes]:
    """Return packed messages: of 8 MiB, of `large_mib`, and that one packed again."""
    pack = PACKERS[encoding]
    large = pack(bytes(large_mib * MIB))
    return [pack(bytes(8 * MIB)), large, pack(large)]


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


async def test_a_compressed_message_within_the_limit_is_served(product: Product, record: Record) -> None:
    """Good messages, packed with gzip and deflate: compression as such is no attack."""
    history, codes = await product.history(), []
    message = gan_pb2.SampleRequest(count=1, seed=1).SerializeToString()
    for encoding, pack in PACKERS.items():
        codes += await _send(product.address, SAMPLE, encoding, pack(message))
    for code in codes:
        history.note(SAMPLE, code)
    bad = [code for code in codes if code != "OK"]
    record(row="good compressed messages refused", figure=len(bad), unit=f"calls: {bad}", bar="0", passed=not bad)
    await history.counters_equal()


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
