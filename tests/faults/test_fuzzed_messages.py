"""Mutated messages to every method that a server lists."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.effort import Effort
from tests.faults.attacks.fuzz import CUT, Failure, Fuzzer, Outcomes, fuzz
from tests.faults.attacks.reflected import Method, reflected_methods
from tests.faults.history import History
from tests.faults.product import TEXT_MODEL, Product, text_backend
from tests.faults.report import Sheet
from tests.faults.server import Server

SEED = 12


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


async def _fuzz(row: str, server: Server, history: History, text_model: str | None, count: int, sheet: Sheet) -> None:
    pid, methods = server.pid, await asyncio.to_thread(reflected_methods, server.address)
    outcomes = await fuzz(server.address, Fuzzer(methods, text_model, SEED), range(count))
    print("".join(f"\n{failure}" for failure in outcomes.failures), end="")
    unit = f"failures in {outcomes.num_calls} messages of seed {SEED}: {_kinds(outcomes.failures)}"
    sheet.expect_none(f"fuzzed messages, {row}", outcomes.num_failures, unit)
    sheet.expect_none(f"deaths by fuzzed messages, {row}", int(server.pid != pid), "deaths")
    _note(outcomes, methods, history)
    await history.counters_equal()


def _kinds(failures: Sequence[Failure]) -> str:
    """Return each method and code once, with the number of the first message that found it."""
    first = {f"{failure.path} {failure.code}": failure.number for failure in reversed(failures)}
    return ", ".join(f"{kind} (number {number})" for kind, number in sorted(first.items())) or "none"


def _note(outcomes: Outcomes, methods: Sequence[Method], history: History) -> None:
    counted = {method.path for method in methods if method.is_own}
    for (path, code), count in outcomes.counts.items():
        for _ in range(count if path in counted else 0):
            if code == CUT:
                history.note_left(path, was_heard=True)
            else:
                history.note(path, code)
