"""How long each part of a round takes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Durations:
    """Seconds of load, each against one contender."""

    one_client: float = 0.6
    many_clients: float = 1.0
    fast_streams: float = 0.5
    paced: float = 1.5
    lone: float = 1.2
    many_callers: float = 2.0
    open_loop: float = 3.5
    limit: float = 20.0


NUM_CALLERS = 32
TOKENS_PER_SECOND = 200
