"""What is asked of a comparison."""

from dataclasses import dataclass, field
from pathlib import Path

from tandem.measure.meters.cpu import Addresses
from tandem.measure.results.comparison import Settings


@dataclass(frozen=True)
class ForeignRequest:
    """A server of another make to put beside; an empty model is the first it lists."""

    address: str
    model: str


@dataclass(frozen=True)
class Request:
    """What to compare and how. Empty model names: see modes.pair_of. `reference` None:
    Fashion-MNIST. `metrics`: see tandem.measure.meters.cpu. `beside`: address of the same models in
    another form; empty: none. `unjudged`: why quality is not measured, where it would be
    otherwise."""

    address: str
    sequential: str
    parallel: str
    settings: Settings
    judge: Path = Path()
    reference: Path | None = None
    metrics: Addresses = field(default_factory=dict)
    foreign: ForeignRequest | None = None
    beside: str = ""
    unjudged: str = ""
