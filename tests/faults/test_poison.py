"""Poisonous requests beside good ones: nobody but their caller pays."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from tests.effort import Effort
from tests.faults.attacks.finite import first_not_finite
from tests.faults.clients import Client, Ended
from tests.faults.history import History
from tests.faults.poisons import GOOD, POISON
from tests.faults.product import backend
from tests.faults.report import Sheet

GOOD_A_POISON = 3


async def mixed(client: Client, paradigm: str, rounds: int) -> tuple[list[Ended], list[Ended]]:
    """Return how the good and the poisonous calls ended; those of a round are under way together."""
    good: list[Ended] = []
    poisonous: list[Ended] = []
    for number in range(rounds):
        bad = [kind.call(client, number) for kind in POISON[paradigm]]
        fair = [kind.call(client, number + i) for kind in GOOD[paradigm] for i in range(GOOD_A_POISON)]
        ended = await asyncio.gather(*bad, *fair)
        poisonous += ended[: len(bad)]
        good += ended[len(bad) :]
    return good, poisonous


def is_honest(ended: Ended) -> bool:
    """Whether a call was refused by name, or answered with numbers."""
    return ended.code == "INVALID_ARGUMENT" or (ended.is_ok and first_not_finite(ended.last) is None)


@pytest.mark.parametrize("paradigm", ["sequential", "parallel"])
async def test_poison(tmp_path: Path, effort: Effort, sheet: Sheet, paradigm: str) -> None:
    """Extremes of sampling, pixels and latents up to 3e38 and NaN, each beside six good requests, at one backend."""
    row, is_alive = f"poison at the {paradigm} backend", False
    async with backend(tmp_path, paradigm) as server:
        history = await History(server).begin()
        async with Client(server.address, history) as client:
            good, poisonous = await mixed(client, paradigm, effort.of(6, 200))
        lost = [call for call in good if not call.is_ok]
        dishonest = [call for call in poisonous if not is_honest(call)]
        sheet.expect_none(f"{row}: good neighbours lost", lost, f"of {len(good)} calls")
        what = "neither refused by name nor answered with finite numbers"
        sheet.expect_none(f"{row}: {what}", dishonest, f"of {len(poisonous)} calls")
        with suppress(TimeoutError):
            await server.ready()
            is_alive = True
        sheet.expect(f"{row}: the process goes on", is_alive, "alive", bar="1", passed=is_alive)
        if is_alive:
            await history.counters_equal()
