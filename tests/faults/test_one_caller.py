"""One caller attacks the gateway from one address, beside a light client of another one."""

from __future__ import annotations

import asyncio

import psutil
import pytest

from tests.effort import Effort
from tests.faults.attacks.one_caller import ATTACKS, Attack, attacking
from tests.faults.attacks.peak_memory import MIB
from tests.faults.clients import GENERATE, SAMPLE, quantile
from tests.faults.figures import record_failed
from tests.faults.history import STRAGGLERS_SECONDS
from tests.faults.neighbour import Neighbour
from tests.faults.product import Product
from tests.faults.report import Record
from tests.faults.scrape import scrape

MAX_RATIO = 5.0
LIMITS_MIB = {"gateway": 1536, "sequential": 1024, "parallel": 1024}  # of the containers
MAX_SHARE = 0.7


async def _let_go(product: Product) -> None:
    """Wait until the servers hold nothing of the attack, and have counted it: the next row compares counters."""
    async with asyncio.timeout(120):
        for server in product.servers:
            while (await scrape(server.metrics_url)).held():
                await asyncio.sleep(0.1)
    await asyncio.sleep(STRAGGLERS_SECONDS)


def _resident_bytes(pid: int) -> int:
    """Return what a process and its children hold."""
    process = psutil.Process(pid)
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
async def test_what_one_caller_takes(
    attack: Attack, product: Product, neighbour: Neighbour, effort: Effort, record: Record
) -> None:
    """The attack goes on for 60 s (2 in quick runs), and a light client calls one after another."""
    row = f"one caller: {attack.__name__.replace('_', ' ')}"
    path = GENERATE if attack.__name__ == "read_over_http" else SAMPLE
    async with neighbour.beside(product.address, (path,)) as observed:
        with attacking(attack, product.address, product.web_address):
            await observed.lasting(effort.of(2.0, 60.0))
            memory = {each.name: _resident_bytes(each.pid) / MIB for each in product.servers}
    await _let_go(product)
    alone, beside = (quantile([each for _, _, each in calls], 0.99) for calls in (observed.quiet, observed.beside))
    record_failed(record, row, observed)
    record(
        row=f"{row}: light client's p99",
        figure=beside / max(alone, 1e-4),
        unit=f"times {alone * 1e3:.1f} ms without it",
        bar=f"<= {MAX_RATIO:g}",
        passed=True,
        in_time=beside <= MAX_RATIO * alone,
    )
    fullest = max(memory, key=lambda name: memory[name] / LIMITS_MIB[name])
    share = memory[fullest] / LIMITS_MIB[fullest]
    record(
        row=f"{row}: memory",
        figure=100 * share,
        unit=f"% of the container's limit ({fullest}, {memory[fullest]:.0f} MiB)",
        bar=f"<= {100 * MAX_SHARE:g} %",
        passed=share <= MAX_SHARE,
    )
