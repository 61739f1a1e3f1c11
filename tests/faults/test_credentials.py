"""Callers with wrong API keys, on every method, or with wrong certificates at a gateway with mutual TLS."""

import asyncio
import hashlib
import secrets
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.certificates import Authority
from tests.effort import Effort
from tests.faults.attacks.connection import Header, Stream, connected
from tests.faults.attacks.grpc_stream import begin, call_headers
from tests.faults.attacks.one_caller import attacking, show_unknown_keys
from tests.faults.attacks.reflected import reflected_methods
from tests.faults.clients import SAMPLE, images
from tests.faults.figures import expect_answers
from tests.faults.history import History
from tests.faults.product import Product, own_gateway
from tests.faults.report import Sheet
from tests.faults.server import Server

GOOD_MESSAGE = images(1).SerializeToString()
CHEAP_MICROSECONDS = 2_000.0
NOT_CHECKED = "RESOURCE_EXHAUSTED too many unknown API keys came from this address"


MAX_METADATA_BYTES = 7_000  # gRPC takes 8 KiB in all


def wrong_keys(key: str) -> Mapping[str, list[Header]]:
    """Return the metadata that each kind of wrong caller sends; `key` is a good one."""
    good = f"Bearer {key}"
    other = good[:-1] + ("a" if good[-1] != "a" else "b")
    return {
        "missing": [],
        "empty": [("authorization", "")],
        "wrong": [("authorization", other)],
        "too short": [("authorization", good[:-1])],
        "too long": [("authorization", good + "x")],
        "without a scheme": [("authorization", key)],
        "another scheme": [("authorization", f"Basic {key}")],
        "doubled": [("authorization", good), ("authorization", good)],
        "good and wrong": [("authorization", good), ("authorization", other)],
        "very long": [("authorization", f"Bearer {'k' * MAX_METADATA_BYTES}")],
        "many": [("authorization", other)] * 60,
        "not ASCII": [("authorization", "Bearer \u043a\u043b\u044e\u0447")],
        "in another place": [("x-api-key", key)],
        "binary": [("authorization-bin", "AAAA")],
    }


@dataclass(frozen=True)
class Guarded:
    """A gateway that wants a key, in front of the product's backends."""

    server: Server
    key: str


@pytest.fixture
async def guarded(product: Product, tmp_path: Path) -> AsyncIterator[Guarded]:
    """A second gateway, whose callers need an API key."""
    key = secrets.token_urlsafe(32)
    keys = tmp_path / "keys.toml"
    keys.write_text(f'[[keys]]\nname = "alice"\nsha256 = "{hashlib.sha256(key.encode()).hexdigest()}"\n')
    own = own_gateway(tmp_path, [product.sequential], [product.parallel], "--api-keys-file", str(keys))
    async with own as server:
        await server.ready("tandem.gan.v1.GanService")
        yield Guarded(server, key)


async def test_wrong_keys_are_turned_away(guarded: Guarded, effort: Effort, sheet: Sheet) -> None:
    """Keys that are missing, wrong, doubled, very long, not ASCII and in another place, on every method that wants
    one; a good key in between."""
    history = await History(guarded.server).begin()
    methods = [m for m in await asyncio.to_thread(reflected_methods, guarded.server.address) if m.is_own]
    answers: Counter[str] = Counter()
    assert (await _with_a_good_key(guarded)).status == 0
    for _ in range(effort.of(1, 50)):
        async with connected(guarded.server.address) as connection:
            for headers in wrong_keys(guarded.key).values():
                numbers = [await begin(connection, method.path, b"", *headers) for method in methods]
                for method, number in zip(methods, numbers, strict=True):
                    stream = await connection.answer(number)
                    answers[f"{stream.status_name} {stream.headers.get('grpc-message', '')[:80]}"] += 1
                    history.note(method.path, stream.status_name)
        assert (await _with_a_good_key(guarded)).status == 0
    answers = Counter({answer: count for answer, count in answers.items() if answer != NOT_CHECKED})
    odd = {answer: count for answer, count in answers.items() if not answer.startswith("UNAUTHENTICATED")}
    sheet.expect_none("wrong keys let in", sum(odd.values()), f"of {answers.total()} calls: {odd or 'none'}")
    sheet.expect("wrong keys: different answers", len(answers), "texts", bar="1", passed=len(answers) == 1)
    history.ended[SAMPLE, "OK"] += effort.of(1, 50) + 1
    await history.counters_equal()


async def _with_a_good_key(guarded: Guarded) -> Stream:
    async with connected(guarded.server.address) as connection:
        number = await begin(connection, SAMPLE, GOOD_MESSAGE, ("authorization", f"Bearer {guarded.key}"))
        return await connection.answer(number)


async def test_wrong_keys_are_cheap(guarded: Guarded, effort: Effort, sheet: Sheet) -> None:
    """Thousands of calls with a wrong key; the gateway's processor time for each."""
    history, count = await History(guarded.server).begin(), effort.of(300, 5_000)
    headers, process = wrong_keys(guarded.key)["wrong"], psutil.Process(guarded.server.pid)
    before = sum(process.cpu_times()[:2])
    async with connected(guarded.server.address) as connection:
        for _ in range(count // 100):
            numbers = [connection.open_stream(call_headers(SAMPLE, *headers), end_stream=True) for _ in range(100)]
            await connection.flush()
            for number in numbers:
                history.note(SAMPLE, (await connection.answer(number)).status_name)
    cost = (sum(process.cpu_times()[:2]) - before) / (count // 100 * 100) * 1e6
    unit = "microseconds of the gateway's processor time a call"
    sheet.expect_in_time("a wrong key's cost", cost, CHEAP_MICROSECONDS, unit)
    await history.counters_equal()


async def test_unknown_keys_keep_no_good_one_waiting(guarded: Guarded, effort: Effort, sheet: Sheet) -> None:
    """One address shows unknown keys as fast as it can, for 60 s (1 in quick runs), beside a caller with a good one."""
    failures: list[str] = []
    num_calls = 0
    ends_at = time.monotonic() + effort.of(1.0, 60.0)
    with attacking(show_unknown_keys, guarded.server.address, guarded.server.web_address):
        while time.monotonic() < ends_at:
            stream = await _with_a_good_key(guarded)
            num_calls += 1
            failures += [] if stream.status == 0 else [f"{stream.status_name} {stream.headers.get('grpc-message')}"]
            await asyncio.sleep(0.02)
    expect_answers(sheet, "good keys beside a flood of unknown ones", failures, num_calls)


async def test_wrong_certificates_are_refused(product: Product, tmp_path: Path, effort: Effort, sheet: Sheet) -> None:
    """Mutual TLS: callers without a certificate and with another CA's, many handshakes; good ones between."""
    count, let_in = effort.of(20, 200), 0
    authority, other = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    identity = authority.server(mutual=True).identity
    words = ("--tls-cert", str(identity.cert), "--tls-key", str(identity.key), "--tls-client-ca", str(authority.ca))
    own, good = (
        own_gateway(tmp_path, [product.sequential], [product.parallel], *words),
        _context(authority.ca, authority),
    )
    own.start()
    try:
        await _wait_answered(own.server.address, good)
        for context in (_context(authority.ca), _context(authority.ca, other)):
            for _ in range(count):
                let_in += await _is_answered(own.server.address, context)
            await _wait_answered(own.server.address, good)
    finally:
        own.end()
    sheet.expect_none("wrong certificates let in", let_in, f"of {2 * count} callers")


async def _is_answered(address: str, context: ssl.SSLContext) -> bool:
    try:
        async with connected(address, tls=context) as connection:
            number = await begin(connection, SAMPLE, GOOD_MESSAGE)
            return (await connection.answer(number)).status is not None
    except (OSError, TimeoutError):
        return False


async def _wait_answered(address: str, context: ssl.SSLContext) -> None:
    until = time.monotonic() + 60.0
    while not await _is_answered(address, context):
        if time.monotonic() > until:
            raise TimeoutError("a good certificate gets no answer")
        await asyncio.sleep(0.1)


def _context(ca: Path, signer: Authority | None = None) -> ssl.SSLContext:
    """Return the TLS of a caller without a certificate, or with one that `signer` signed."""
    context = ssl.create_default_context(cafile=str(ca))
    context.set_alpn_protocols(["h2"])
    if signer is not None:
        identity = signer.issue("caller")
        context.load_cert_chain(identity.cert, identity.key)
    return context
