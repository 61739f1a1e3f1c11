"""What each service takes from the other on the same cores: each alone, and both together, at the same loads."""

from typing import Literal

from pydantic import Field

from tandem.measure.results.header import Header
from tandem.measure.results.value import Part, Repeated, Value
from tandem.measure.scenario import Seconds, Workload


class Settings(Part):
    """What was asked for. Every round has each trial once, in an order that changes."""

    sequential_model: str = ""
    parallel_model: str = ""
    text_model: str = ""
    num_rounds: int = Field(8, ge=2, le=1000)
    trial_seconds: Seconds = 2.0
    seed: int = Field(0, ge=0, lt=2**62)


class Load(Part):
    """What a service is given, alone and together alike: an open loop at half of its capacity, or, without one, a
    single stream at a time. The capacity is the lower end that open loops found, or a share of a closed loop's rate.
    """

    workload: Workload
    capacity_per_second: float | None = None
    source: Literal["open loops", "closed loop"] | None = None

    @property
    def rate_per_second(self) -> float | None:
        return None if self.capacity_per_second is None else self.capacity_per_second / 2


class Side(Part):
    """One of two services; its figures, alone and while both ran, and `ratios`, together / alone. tokens_per_second: of
    a stream, behind its first message. images_per_second: delivered. gap: between two messages of a stream. latency:
    from the intended start to the last message. num_growing: rounds in which its queue grew significantly then.
    """

    load: Load
    alone: dict[str, Repeated]
    together: dict[str, Repeated]
    ratios: dict[str, Value]
    num_requests: int
    num_failed: int
    num_growing: int


class Pairing(Part):
    """Two services that ran together."""

    sequential: Side
    parallel: Side
    num_rounds: int


class Colocation(Header):
    """One measurement, of whole rounds; no pairing if there is none."""

    kind: Literal["colocation"] = "colocation"
    settings: Settings
    pairings: tuple[Pairing, ...]
