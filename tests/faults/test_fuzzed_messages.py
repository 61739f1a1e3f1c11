"""Mutated messages to every method that a server lists. Message `number` of a seed is always the same."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import grpc
import pytest

from tests.effort import Effort
from tests.faults.attacks.byte_mutation import mutate_bytes
from tests.faults.attacks.field_mutation import mutate_fields
from tests.faults.attacks.finite import first_not_finite
from tests.faults.attacks.reflected import Method, reflected_methods
from tests.faults.attacks.valid_messages import valid_messages
from tests.faults.history import History
from tests.faults.product import TEXT_MODEL, Product, text_backend
from tests.faults.report import Sheet
from tests.faults.server import Server

SEED = 12
MAX_BYTES = 3_500_000  # below the limit of a message, so that what is sent is read
MAX_READ = 3  # messages of a reply; a longer stream is cancelled
LIMIT_SECONDS = 60.0  # a call that takes longer hangs
NUM_IN_FLIGHT = 16
NUM_KEPT = 3  # failures of each method and code
MAX_GONE = 100  # calls, after which the server does not seem to come back
OPTIONS = (("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1))

OK, CUT, GONE, NOT_FINITE = "OK", "CANCELLED", "UNAVAILABLE", "NOT FINITE"
# What a strange message may end in. RESOURCE_EXHAUSTED: it asks for more than the queues hold.
ACCEPTED = frozenset({OK, CUT, "INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED", "UNIMPLEMENTED"})


@pytest.mark.parametrize("which", ["gateway", "sequential", "parallel"])
async def test_fuzzed_messages_end_in_a_status(
    which: str, product: Product, effort: Effort, sheet: Sheet, capsys: pytest.CaptureFixture[str]
) -> None:
    """Messages mutated field by field and byte by byte, of every method that reflection lists; INTERNAL, UNKNOWN,
    a hang, a lost connection and numbers that are not finite in a good reply count as failures."""
    server: Server = getattr(product, which)
    history = await product.history_at(server)
    with capsys.disabled():
        await _fuzz(which, server, history, None, effort.of(500, 33_400), sheet)


@pytest.mark.faults
async def test_fuzzed_messages_to_a_text_model_end_in_a_status(
    tmp_path: Path, effort: Effort, sheet: Sheet, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mutated messages of every method to a sequential backend with a tiny text model: text, chat, stop strings."""
    async with text_backend(tmp_path) as server:
        history = await History(server).begin()
        with capsys.disabled():
            await _fuzz("texts", server, history, TEXT_MODEL, effort.of(500, 10_000), sheet)


@dataclass(frozen=True)
class Failure:
    """A call that ended as none may; the seed and the number make its message again."""

    number: int
    path: str
    code: str
    details: str
    message: bytes

    def __str__(self) -> str:
        which = f"seed {SEED} number {self.number} {self.path}"
        return f"{which}: {self.code} ({self.details[:400]}) {self.message[:400].hex()}"


async def _fuzz(row: str, server: Server, history: History, text_model: str | None, count: int, sheet: Sheet) -> None:
    """Send so many messages, some at a time; stop early if the server is gone."""
    pid, methods = server.pid, await asyncio.to_thread(reflected_methods, server.address)
    valid = {method: valid_messages(method, text_model) for method in methods}
    codes, failures, waiting = Counter[tuple[str, str]](), list[Failure](), iter(range(count))

    async def work(channel: grpc.aio.Channel) -> None:
        for number in waiting:
            method, chance = methods[number % len(methods)], Random(f"{SEED}/{number}")
            message = _mutated(method, valid[method], chance)[:MAX_BYTES]
            code, details = await _call(channel, method, message)
            codes[method.path, code] += 1
            if code not in ACCEPTED and codes[method.path, code] <= NUM_KEPT:
                failures.append(Failure(number, method.path, code, details, message))
            if method.is_own and code == CUT:
                history.note_left(method.path, was_heard=True)
            elif method.is_own:
                history.note(method.path, OK if code == NOT_FINITE else code)
            if sum(codes[method.path, GONE] for method in methods) >= MAX_GONE:
                return

    async with grpc.aio.insecure_channel(server.address, options=OPTIONS) as channel:
        await asyncio.gather(*(work(channel) for _ in range(NUM_IN_FLIGHT)))
    print("".join(f"\n{failure}" for failure in failures), end="")
    first = {f"{failure.path} {failure.code}": failure.number for failure in reversed(failures)}
    kinds = ", ".join(f"{kind} (number {number})" for kind, number in sorted(first.items())) or "none"
    num_failed = sum(count for (_, code), count in codes.items() if code not in ACCEPTED)
    sheet.expect_none(
        f"fuzzed messages, {row}", num_failed, f"failures in {codes.total()} messages of seed {SEED}: {kinds}"
    )
    sheet.expect_none(f"deaths by fuzzed messages, {row}", int(server.pid != pid), "deaths")
    await history.counters_equal()


def _mutated(method: Method, valid: Sequence[bytes], chance: Random) -> bytes:
    raw = chance.choice(valid)
    if chance.random() >= 0.65:
        return mutate_bytes(raw, chance.choice(valid), chance)
    message = method.request_class.FromString(raw)
    mutate_fields(message, chance)
    raw = message.SerializeToString()
    return raw if chance.random() < 0.9 else mutate_bytes(raw, raw, chance)


async def _call(channel: grpc.aio.Channel, method: Method, message: bytes) -> tuple[str, str]:
    """Return the name of the status and its details; NOT_FINITE and the field for a good status over NaN."""
    call: Any = channel.unary_stream(method.path)(message, timeout=LIMIT_SECONDS)  # type: ignore[arg-type]
    culprit: str | None = None
    try:
        for _ in range(1 if method.is_watch else MAX_READ):
            reply = await call.read()
            if reply is grpc.aio.EOF:
                return (NOT_FINITE, culprit) if culprit else ((await call.code()).name, await call.details() or "")
            culprit = culprit or first_not_finite(method.response_class.FromString(reply))
        call.cancel()
    except grpc.aio.AioRpcError as error:
        return error.code().name, error.details() or ""
    return CUT, ""
