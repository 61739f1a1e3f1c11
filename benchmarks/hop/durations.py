"""How long each part of a round takes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Durations:
    """Seconds of load, each against one contender, and how often the whole is repeated."""

    rounds: int
    one_client: float
    many_clients: float
    fast_streams: float
    paced: float
    lone: float
    many_callers: float
    open_loop: float


FULL = Durations(
    rounds=5,
    one_client=0.6,
    many_clients=1.0,
    fast_streams=0.5,
    paced=1.5,
    lone=1.2,
    many_callers=2.0,
    open_loop=3.5,
)
QUICK = Durations(
    rounds=1,
    one_client=0.3,
    many_clients=0.5,
    fast_streams=0.3,
    paced=1.0,
    lone=0.7,
    many_callers=1.0,
    open_loop=1.5,
)

NUM_CALLERS = 32
TOKENS_PER_SECOND = 200
