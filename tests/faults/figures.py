"""Figures that several rows have: what the good client saw, and how much memory a server took."""

from __future__ import annotations

from collections.abc import Mapping

from tests.faults.attacks.settling import settled
from tests.faults.clients import GENERATE, SAMPLE
from tests.faults.neighbour import Observed
from tests.faults.readings import Reading
from tests.faults.report import Record
from tests.faults.server import Server

_PATHS = {"gateway": (SAMPLE, GENERATE), "sequential": (GENERATE,), "parallel": (SAMPLE,)}
MAX_SECONDS = 5.0  # a good call may wait behind work that was accepted before it
MAX_GROWTH_MIB = 64.0
MAX_FILES = 4


def paths_of(which: str) -> tuple[str, ...]:
    """Return the calls that a good client makes at the gateway or at a backend."""
    return _PATHS[which]


def record_observed(
    record: Record,
    row: str,
    observed: Observed,
    max_seconds: float = MAX_SECONDS,
    known: str = "",
    known_failures: str = "",
) -> None:
    """Note what the good client saw beside an attack: no failure, and how much slower its calls were.

    `known` says why its calls may be slower than `max_seconds` today, `known_failures` why some may fail.
    """
    record_failed(record, row, observed, known_failures)
    record(
        row=f"{row}: good calls slowed down",
        figure=observed.slow_down,
        unit=f"times as long at the 95th percentile (slowest {observed.slowest_seconds:.2f} s)",
        bar=f"slowest below {max_seconds:g} s",
        passed=True,
        in_time=observed.slowest_seconds < max_seconds,
        known=known,
        strict=False,
    )


def record_failed(record: Record, row: str, observed: Observed, known: str = "") -> None:
    """Note the good client's calls that failed; `known` says why some may."""
    record(
        row=f"{row}: good calls failed",
        figure=observed.num_failed,
        unit=f"of {len(observed.beside)} calls (codes: {observed.codes})",
        bar="0",
        passed=observed.num_failed == 0,
        known=known,
        strict=False,
    )


def record_growth(
    record: Record, row: str, growth_mib: Mapping[str, float], max_mib: float = MAX_GROWTH_MIB, known: str = ""
) -> None:
    """Note the process whose memory grew most; `known` as the record has it."""
    name = max(growth_mib, key=lambda each: growth_mib[each])
    record(
        row=f"{row}: memory",
        figure=growth_mib[name],
        unit=f"MiB at the peak more than before ({name})",
        bar=f"below {max_mib:g} MiB",
        passed=growth_mib[name] < max_mib,
        known=known,
    )


async def record_files(record: Record, row: str, server: Server, before: Reading) -> None:
    """Note the files and sockets that a server has not let go of, once it has had a moment to."""
    left = await settled(server, lambda now: now.num_fds - before.num_fds - MAX_FILES)
    record(
        row=f"{row}: files left",
        figure=max(0, left + MAX_FILES),
        unit="files and sockets more than before",
        bar=f"at most {MAX_FILES}: a gateway renews its own connections",
        passed=left <= 0,
    )
