"""Mutated messages to every method that a server lists."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.effort import Effort
from tests.faults.attacks.fuzz import CUT, Failure, Fuzzer, Outcomes, fuzz
from tests.faults.attacks.reflected import Method, reflected_methods
from tests.faults.history import History
from tests.faults.product import Product
from tests.faults.report import Record
from tests.faults.server import Server
from tests.faults.text_server import TEXT_MODEL, text_server

SEED = 12


@pytest.mark.parametrize("which", ["gateway", "sequential", "parallel"])
async def test_fuzzed_messages_end_in_a_status(
    which: str, product: Product, effort: Effort, record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    """Messages mutated field by field and byte by byte, of every method that reflection lists; INTERNAL, UNKNOWN,
    a hang, a lost connection and numbers that are not finite in a good reply count as failures."""
    server = getattr(product, which)
    await _fuzz(which, server, await product.history_at(server), None, effort.of(500, 33_400), record, capsys)


@pytest.fixture
def texts(tmp_path: Path) -> Iterator[Server]:
    """A sequential backend with a text model."""
    with text_server(tmp_path) as server:
        yield server


@pytest.mark.faults
async def test_fuzzed_messages_to_a_text_model_end_in_a_status(
    texts: Server, effort: Effort, record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mutated messages of every method to a sequential backend with a tiny text model: text, chat, stop strings."""
    await texts.ready()
    history = await History(texts).begin()
    await _fuzz("texts", texts, history, TEXT_MODEL, effort.of(500, 10_000), record, capsys)


async def _fuzz(
    row: str,
    server: Server,
    history: History,
    text_model: str | None,
    count: int,
    record: Record,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pid, methods = server.pid, await asyncio.to_thread(reflected_methods, server.address)
    outcomes = await fuzz(server.address, Fuzzer(methods, text_model, SEED), range(count))
    with capsys.disabled():
        for failure in outcomes.failures:
            print(f"\n{failure}")
    record(
        row=f"fuzzed messages, {row}",
        figure=outcomes.num_failures,
        unit=f"failures in {outcomes.num_calls} messages of seed {SEED}: {_kinds(outcomes.failures)}",
        bar="0",
        passed=not outcomes.num_failures,
    )
    has_died = server.pid != pid
    record(row=f"deaths by fuzzed messages, {row}", figure=has_died, unit="deaths", bar="0", passed=not has_died)
    _note(outcomes, methods, history)
    await history.counters_equal()


def _kinds(failures: Sequence[Failure]) -> str:
    """Return each method and code once, with the number of the first message that found it."""
    first = {f"{each.path} {each.code}": each.number for each in reversed(failures)}
    return ", ".join(f"{kind} (number {number})" for kind, number in sorted(first.items())) or "none"


def _note(outcomes: Outcomes, methods: Sequence[Method], history: History) -> None:
    counted = {method.path for method in methods if method.is_own}
    for (path, code), count in outcomes.counts.items():
        for _ in range(count if path in counted else 0):
            if code == CUT:
                history.note_left(path, was_heard=True)
            else:
                history.note(path, code)
