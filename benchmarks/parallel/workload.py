"""What is asked for: so many images a request, so many clients with one request at a time each; and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tandem.measure.formats import counted


@dataclass(frozen=True)
class Workload:
    """One load, in closed loop: a client sends its next request when it has the reply."""

    images: int
    clients: int

    @property
    def name(self) -> str:
        return f"{self.images}x{self.clients}"

    @property
    def shown(self) -> str:
        return f"{counted(self.images, 'image')} a request, {counted(self.clients, 'client')}"


ALONE, SOME, MANY, BULK = Workload(1, 1), Workload(1, 16), Workload(1, 64), Workload(64, 4)
WORKLOADS = (ALONE, SOME, MANY, BULK)
BATCH_SIZES = (1, 8, 32, 64)
"""Of the bare loops."""


@dataclass(frozen=True)
class Durations:
    """Seconds of each load against each contender, of warming up and of each bare loop."""

    warm_up: float
    loads: Mapping[Workload, float]
    bare: float


FULL = Durations(warm_up=0.7, loads={ALONE: 1.0, SOME: 1.2, MANY: 1.5, BULK: 1.5}, bare=1.0)
