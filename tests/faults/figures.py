"""What rows of attacks have in common: what a good client saw, and what the attack cost the servers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.faults.clients import GENERATE, SAMPLE
from tests.faults.history import History
from tests.faults.neighbour import Neighbour, Observed
from tests.faults.product import Product
from tests.faults.readings import PeakMemory, Reading
from tests.faults.report import Sheet
from tests.faults.server import Server

# The calls that a good client makes at the gateway or at a backend.
PATHS = {"gateway": (SAMPLE, GENERATE), "sequential": (GENERATE,), "parallel": (SAMPLE,)}
MAX_SECONDS = 5.0  # a good call may wait behind work that was accepted before it
MAX_GROWTH_MIB = 64.0
MAX_FILES = 4
# What a call is told if a process had too little of the processor to begin it, to say that it lives, or to check a key.
STARVED = ("calls that the server has not begun", "backend is not ready", "could not check the API key in time")
LET_GO_SECONDS, POLL_SECONDS = 60.0, 0.05


@dataclass(frozen=True)
class Attacked:
    """A server under attack: its history, to which the attack adds its calls, and what the good client sees."""

    server: Server
    history: History
    observed: Observed


@dataclass(frozen=True)
class Watch:
    """A good client beside attacks on the product's servers."""

    product: Product
    neighbour: Neighbour
    sheet: Sheet

    @asynccontextmanager
    async def attack(
        self, which: str, row: str, *, max_seconds: float = MAX_SECONDS, max_mib: float | None = MAX_GROWTH_MIB
    ) -> AsyncIterator[Attacked]:
        """Let a good client call beside the block; then note its calls, memory and files, and compare the counters.

        Without `max_mib` the attack may cost memory and files.
        """
        server: Server = getattr(self.product, which)
        history, before = await self.product.history_at(server), server.reading()
        peaks = {process.name: PeakMemory(process.pid) for process in self.product.servers}
        async with self.neighbour.beside(server.address, PATHS[which], history) as observed:
            yield Attacked(server, history, observed)
        expect_answers(self.sheet, f"{row}: good calls failed", observed.beside.failures, len(observed.beside.calls))
        slow_down = f"times as long at the 95th percentile (slowest {observed.slowest_seconds:.2f} s)"
        self.sheet.expect(
            *(f"{row}: good calls slowed down", observed.slow_down, slow_down),
            bar=f"slowest below {max_seconds:g} s",
            passed=True,
            in_time=observed.slowest_seconds < max_seconds,
        )
        if max_mib is not None:
            expect_memory(self.sheet, row, {name: peak.growth_mib() for name, peak in peaks.items()}, max_mib)
            await expect_files(self.sheet, row, server, before)
        await history.counters_equal()


def expect_answers(sheet: Sheet, row: str, failures: Sequence[str], num_calls: int) -> None:
    """Note the good calls that failed, as each was told; one that a starved process refused counts in full runs."""
    is_starved = all(any(words in failure for words in STARVED) for failure in failures)
    unit = f"of {num_calls} calls ({', '.join(sorted(set(failures))) or 'none'})"
    sheet.expect(row, len(failures), unit, bar="0", passed=num_calls > 0 and is_starved, in_time=not failures)


def expect_memory(sheet: Sheet, row: str, growth_mib: dict[str, float], max_mib: float = MAX_GROWTH_MIB) -> None:
    """Note the process whose memory grew most."""
    name = max(growth_mib, key=lambda name: growth_mib[name])
    sheet.expect_at_most(f"{row}: memory", growth_mib[name], max_mib, f"MiB at the peak more than before ({name})")


async def expect_files(sheet: Sheet, row: str, server: Server, before: Reading) -> None:
    """Note the files and sockets that a server has not let go of, once it has had a moment to.

    Some may be left: a gateway renews its own connections.
    """
    until = time.monotonic() + LET_GO_SECONDS
    while (left := server.reading().num_fds - before.num_fds) > MAX_FILES and time.monotonic() < until:
        await asyncio.sleep(POLL_SECONDS)
    sheet.expect_at_most(f"{row}: files left", max(0, left), MAX_FILES, "files and sockets more than before")
