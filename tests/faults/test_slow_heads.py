"""Hundreds of connections that never get to a whole request, at the gRPC ports and the HTTP port."""

import asyncio

import pytest

from tests.effort import Effort
from tests.faults.attacks.slow_heads import GRPC_HEADS, HTTP_HEADS, Head, crowd
from tests.faults.clients import SAMPLE
from tests.faults.figures import Watch
from tests.faults.report import Sheet

NUM_CONNECTIONS = 60  # of each kind, at once
WITH_A_CALL = "slow body"  # its head is whole, so a call has begun
# A byte a second as an attacker would; with quick effort faster, since only what others feel is looked at.
PAUSE_SECONDS = (0.05, 1.0)
NUM_BYTES = (8, 40)
HELD_BAR_SECONDS = 40
NO_LIMIT = "grpc has no limit for a head; the connection's age ends it, and strangers do not reach a backend"


# The port, by the attribute of its server that has its address, and the kinds of connections that it gets.
PORTS = {"gRPC": ("address", GRPC_HEADS), "HTTP": ("web_address", HTTP_HEADS)}


@pytest.mark.parametrize(
    ("port", "which"), [("gRPC", "gateway"), ("gRPC", "sequential"), ("gRPC", "parallel"), ("HTTP", "gateway")]
)
async def test_slow_heads(port: str, which: str, watch: Watch, effort: Effort, sheet: Sheet) -> None:
    """Hundreds of connections at once: their preface, headers or (HTTP) body a byte at a time, nothing, garbage, TLS,
    half of TCP closed; with full effort a byte a second for 40 s."""
    row, (field, heads) = f"slow heads, {port}, {which}", PORTS[port]
    async with watch.attack(which, row) as attacked:
        address = getattr(attacked.server, field).removeprefix("http://")
        held = dict(await asyncio.gather(*(_held(address, name, head, effort) for name, head in heads.items())))
        attacked.history.unheard[SAMPLE] += NUM_CONNECTIONS if WITH_A_CALL in held else 0
    # A connection that is idle between requests may be open: it has limits of its own.
    standing = {name: count for name, count in held.items() if name != "idle" and count}
    names = ", ".join(f"{name} {count}" for name, count in standing.items()) or "none"
    unit = f"of {NUM_CONNECTIONS * (len(held) - 1)} still open after {HELD_BAR_SECONDS} s: {names}"
    if effort.is_full:
        known = f"{NO_LIMIT}; found: all 60 with slow headers" if which != "gateway" else ""
        sheet.expect_none(f"{row}: connections held", sum(standing.values()), unit, known=known)


async def _held(address: str, name: str, head: Head, effort: Effort) -> tuple[str, int]:
    """Return the kind and how many of its connections still stand at the end."""
    async with crowd(address, head, NUM_CONNECTIONS) as connections:
        await connections.drip(head.slowly, effort.of(*NUM_BYTES), effort.of(*PAUSE_SECONDS))
        return name, connections.num_open
