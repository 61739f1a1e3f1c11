"""Hundreds of connections that never get to a whole request, at the gRPC ports and the HTTP port."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.effort import Effort
from tests.faults.attacks.peak_memory import PeakMemory
from tests.faults.attacks.slow_heads import GRPC_HEADS, HTTP_HEADS, Head, crowd
from tests.faults.clients import SAMPLE
from tests.faults.figures import paths_of, record_files, record_growth, record_observed
from tests.faults.neighbour import Neighbour
from tests.faults.product import Product
from tests.faults.report import Record

NUM_CONNECTIONS = 60  # of each kind, at once
WITH_A_CALL = "slow body"  # its head is whole, so a call has begun
# A byte a second as an attacker would; with quick effort faster, since only what others feel is looked at.
PAUSE_SECONDS = (0.05, 1.0)
NUM_BYTES = (8, 40)
HELD_BAR_SECONDS = 40
NO_LIMIT = "grpc has no limit for a head; the connection's age ends it, and strangers do not reach a backend"


@dataclass(frozen=True)
class Target:
    """A port of one of the product's processes, and the kinds of connections that it gets."""

    row: str
    which: str
    address: str
    heads: Mapping[str, Head]


@pytest.mark.parametrize("which", ["gateway", "sequential", "parallel"])
async def test_slow_heads_at_the_grpc_ports(
    which: str, product: Product, neighbour: Neighbour, effort: Effort, record: Record
) -> None:
    """Hundreds of connections at once: their preface or headers a byte at a time, nothing, garbage, TLS, half of TCP
    closed; with full effort a byte a second for 40 s."""
    target = Target(f"gRPC, {which}", which, getattr(product, which).address, GRPC_HEADS)
    await _stand(target, product, neighbour, effort, record)


async def test_slow_heads_at_the_http_port(
    product: Product, neighbour: Neighbour, effort: Effort, record: Record
) -> None:
    """Hundreds of connections at once to the HTTP port: headers or a body a byte at a time, nothing, garbage, TLS, half
    of TCP closed; with full effort a byte a second for 40 s."""
    target = Target("HTTP", "gateway", product.web_address.removeprefix("http://"), HTTP_HEADS)
    await _stand(target, product, neighbour, effort, record)


async def _stand(target: Target, product: Product, neighbour: Neighbour, effort: Effort, record: Record) -> None:
    server, row = getattr(product, target.which), f"slow heads, {target.row}"
    history, before, peak = await product.history_at(server), server.reading(), PeakMemory(server.pid)
    async with neighbour.beside(server.address, paths_of(target.which), history) as observed:
        held = dict(await asyncio.gather(*(_held(target, name, effort) for name in target.heads)))
        for _ in range(NUM_CONNECTIONS if WITH_A_CALL in held else 0):
            history.note_left(SAMPLE, was_heard=False)
    if effort.is_full:
        _record_held(record, row, held, _known(target))
    record_observed(record, row, observed)
    record_growth(record, row, {target.which: peak.growth_mib()})
    await record_files(record, row, server, before)
    await history.counters_equal()


async def _held(target: Target, name: str, effort: Effort) -> tuple[str, int]:
    """Return the kind and how many of its connections still stand at the end."""
    head = target.heads[name]
    async with crowd(target.address, head, NUM_CONNECTIONS) as connections:
        await connections.drip(head.slowly, effort.of(*NUM_BYTES), effort.of(*PAUSE_SECONDS))
        return name, connections.num_open


def _known(target: Target) -> str:
    """Return why connections are held today, and what was found."""
    if target.which != "gateway":
        return f"{NO_LIMIT}; found: all 60 with slow headers"
    return ""


def _record_held(record: Record, row: str, held: Mapping[str, int], known: str) -> None:
    """Record what is still open. A connection that is idle between requests may be: it has limits of its own."""
    held = {name: count for name, count in held.items() if name != "idle"}
    names = [f"{name} {count}" for name, count in held.items() if count]
    record(
        row=f"{row}: connections held",
        figure=sum(held.values()),
        unit=f"of {NUM_CONNECTIONS * len(held)} still open after {HELD_BAR_SECONDS} s: {', '.join(names) or 'none'}",
        bar="0",
        passed=not names,
        known=known,
    )
