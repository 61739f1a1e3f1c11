"""Poisonous requests beside good ones: nobody but their caller pays."""

import asyncio
from pathlib import Path

import pytest

from tests.effort import Effort
from tests.faults.attacks.finite import first_not_finite
from tests.faults.clients import Client, Ended
from tests.faults.history import History
from tests.faults.poisons import GOOD, POISON
from tests.faults.product import backend
from tests.faults.report import Record
from tests.faults.server import OwnServer

GOOD_A_POISON = 3
MODULES = {"sequential": "services.ar", "parallel": "services.gan"}


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


async def serves(own: OwnServer) -> bool:
    """Return whether a process still serves after what was done to it."""
    try:
        await own.server.ready()
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("paradigm", ["sequential", "parallel"])
async def test_poison(tmp_path: Path, effort: Effort, record: Record, paradigm: str) -> None:
    """Extremes of sampling, pixels and latents up to 3e38 and NaN, each beside six good requests, at one backend."""
    with backend(tmp_path, MODULES[paradigm]) as own:
        await own.server.ready()
        history = await History(own.server).begin()
        async with Client(own.server.address, history) as client:
            good, poisonous = await mixed(client, paradigm, effort.of(6, 200))
            lost = [each for each in good if not each.is_ok]
            dishonest = [each for each in poisonous if not is_honest(each)]
            row = f"poison at the {paradigm} backend"
            of = f"of {len(good)} calls"
            record(row=f"{row}: good neighbours lost", figure=len(lost), unit=of, bar="0", passed=not lost)
            record(
                row=f"{row}: neither refused by name nor answered with finite numbers",
                figure=len(dishonest),
                unit=f"of {len(poisonous)} calls",
                bar="0",
                passed=not dishonest,
            )
        alive = await serves(own)
        record(row=f"{row}: the process goes on", figure=alive, unit="alive", bar="1", passed=alive)
        if alive:
            await history.counters_equal()
