"""What is asked of a comparison."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tandem.measure.generator.requests.replies import Pixels
from tandem.measure.meters.cpu import Addresses
from tandem.measure.results.comparison import Settings
from tandem.measure.studies.comparison.modes import Mode


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to compare and how. Empty model names: see modes.pair_of. `reference` None: Fashion-MNIST. `metrics`: see
    tandem.measure.meters.cpu. `foreign`: address and model of a third-party server; an empty model is the first it
    lists. `beside`: address of the same models in another form; empty: none. `unjudged`: why quality is not measured,
    where it would be otherwise. `on_stage` is told what comes next, `on_image` of the last image of a trial.
    """

    address: str
    settings: Settings
    sequential: str = ""
    parallel: str = ""
    judge: Path = Path()
    reference: Path | None = None
    metrics: Addresses = field(default_factory=dict)
    foreign: tuple[str, str] | None = None
    beside: str = ""
    unjudged: str = ""
    on_stage: Callable[[str], None] = lambda _: None
    on_image: Callable[[Mode, Pixels], None] = lambda *_: None
