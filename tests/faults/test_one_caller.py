"""One caller attacks the gateway from one address, beside a light client of another one."""

from __future__ import annotations

import asyncio
from collections import Counter

import psutil
import pytest

from tests.effort import Effort
from tests.faults.attacks.one_caller import ATTACKS, Attack, attacking
from tests.faults.clients import GENERATE, SAMPLE, quantile
from tests.faults.figures import expect_answers
from tests.faults.history import POLL_SECONDS, SETTLE_SECONDS, STRAGGLERS_SECONDS, since, until_told
from tests.faults.neighbour import Neighbour
from tests.faults.product import Product
from tests.faults.readings import MIB
from tests.faults.report import Sheet
from tests.faults.scrape import scrape

MAX_RATIO = 5.0
LIMITS_MIB = {"gateway": 1536, "sequential": 1024, "parallel": 1024}  # of the containers
MAX_PERCENT = 70.0


async def _let_go(product: Product) -> None:
    """Wait until the servers hold nothing of the attack, and count no more of it: the next row compares counters."""
    async with asyncio.timeout(SETTLE_SECONDS):
        for server in (product.sequential, product.parallel, product.gateway):
            while (await scrape(server.metrics_url)).held():
                await asyncio.sleep(POLL_SECONDS)
        before = None
        while (now := since(Counter(), (await scrape(product.gateway.metrics_url)).calls())) != before:
            before = now
            await until_told(product.gateway)
            await asyncio.sleep(STRAGGLERS_SECONDS / 2)


def _resident_bytes(pid: int) -> int:
    """Return what a process and its children hold."""
    process = psutil.Process(pid)
    return sum(one.memory_info().rss for one in (process, *process.children(recursive=True)))


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
async def test_what_one_caller_takes(
    attack: Attack, product: Product, neighbour: Neighbour, effort: Effort, sheet: Sheet
) -> None:
    """The attack goes on for 60 s (1 in quick runs), and a light client calls one after another."""
    row = f"one caller: {attack.__name__.replace('_', ' ')}"
    path = GENERATE if attack.__name__ == "read_over_http" else SAMPLE
    async with neighbour.beside(product.address, (path,)) as observed:
        with attacking(attack, product.address, product.web_address):
            await asyncio.sleep(effort.of(1.0, 60.0))
            memory = {server.name: _resident_bytes(server.pid) / MIB for server in product.servers}
    await _let_go(product)
    alone, beside = (quantile(load.seconds_of(), 0.99) for load in (observed.quiet, observed.beside))
    expect_answers(sheet, f"{row}: good calls failed", observed.beside.failures, len(observed.beside.calls))
    ratio, unit = beside / max(alone, 1e-4), f"times {alone * 1e3:.1f} ms without it"
    sheet.expect_in_time(f"{row}: light client's p99", ratio, MAX_RATIO, unit)
    fullest = max(memory, key=lambda name: memory[name] / LIMITS_MIB[name])
    percent, unit = 100 * memory[fullest] / LIMITS_MIB[fullest], f"({fullest}, {memory[fullest]:.0f} MiB)"
    sheet.expect_at_most(f"{row}: memory", percent, MAX_PERCENT, f"% of the container's limit {unit}")
