"""The interface of a sender: requests are handed over ahead of time, what became of them is read when all is over."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from ctypes import Structure, c_double, c_int64
from dataclasses import dataclass
from enum import IntEnum

from tandem.measure.generator.sending.tables import Seen, Table


@dataclass(frozen=True)
class Route:
    """Where requests of one kind go, as /package.Service/Method.

    `is_kept`: whether the messages of replies are kept, to be read after the load. `bulk`: the path, in field numbers,
    to a field that is not needed; the compiled sender leaves it out to save memory.
    """

    path: str
    is_streamed: bool
    deadline_seconds: float | None = None
    is_kept: bool = True
    bulk: tuple[int, ...] = ()


@dataclass(frozen=True)
class Load:
    """When to send. Seconds from `zero` (time.monotonic), the end of the warm-up.

    Open loop: what is not sent at `ends_at` is dropped; so is what is due with `max_outstanding` under way. Closed
    loop: `callers` are pairs of when each comes and goes; after an error one pauses; `budget` requests are taken after
    the warm-up, None: without bound.
    """

    zero: float
    ends_at: float
    drain_seconds: float
    is_open: bool
    max_outstanding: int = 0
    budget: int | None = None
    callers: Sequence[tuple[float, float]] = ()
    pause_seconds: float = 0.1


COUNTED = ("ok", "error", "deadline", "cancelled", "unfinished")
"""How a request may have ended."""


class Phase(IntEnum):
    READY = 0
    LOADING = 1
    DRAINING = 2
    DONE = 3


class Progress(Structure):
    """How far a sender is; the compiled one writes it while Python reads. Seconds are instants of the run; CPU and wall
    are those of the load, without its drain.

    `num_taken`: requests taken from what was handed over. `num_measured`: of a closed loop, those after the warm-up.
    `is_real_time`: whether the system lets it go first.
    """

    _fields_ = [
        *((name, c_int64) for name in ("phase", "num_taken", "num_measured", "num_sent", "outstanding")),
        ("is_real_time", c_int64),
        *((name, c_int64) for name in ("max_outstanding", "dropped", *COUNTED, "unavailable_in_a_row")),
        *((name, c_double) for name in ("answered_at", "load_ended_at", "wall_seconds", "cpu_seconds")),
    ]


class Sender(ABC):
    """One run at a time: `begin`, then `feed` as it goes on, until `progress` says that it is done, then `seen`.

    `reset` before the next one. Used in one running event loop.
    """

    is_compiled: bool

    @abstractmethod
    async def connect(self, seconds: float) -> None:
        """Open the connections. Raises ConnectionError if that is not done in so many seconds."""

    @abstractmethod
    async def close(self) -> None:
        """End what runs, and give everything back."""

    @abstractmethod
    def reset(self) -> None:
        """Forget the last run; the connections stay."""

    @abstractmethod
    def begin(self, routes: Sequence[Route], load: Load) -> None:
        """Start sending; requests may have been handed over before."""

    @abstractmethod
    def feed(self, specs: Table, messages: bytes, is_last: bool) -> None:
        """Hand requests over: rows of REQUEST_SPEC in the order of their sending, and the messages they point into.

        `is_last`: no others follow.
        """

    @abstractmethod
    def progress(self) -> Progress:
        """Return how far it is."""

    @abstractmethod
    def stop(self) -> None:
        """Cut everything off; it is done soon after."""

    @abstractmethod
    def collect(self) -> Seen:
        """Wait for the end, and return all that was recorded."""
