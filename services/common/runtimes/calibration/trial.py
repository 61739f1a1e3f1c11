"""What a calibration found: one trial a configuration, and the one that was chosen. Plain values, also as JSON."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict

from services.common.runtimes.configuration import Configuration

MIN_CORE_SHARE = 0.7
"""With less, other programs may have decided what seemed the fastest. Some is always lost between passes."""


class Trial(BaseModel):
    """What came of one configuration."""

    model_config = ConfigDict(frozen=True)

    configuration: Configuration
    samples_per_second: dict[int, float] = {}
    """Of all instances together, by batch size; see the module for how it is measured."""
    rms_difference: float = 0.0
    """From the reference, as a share of the range of its values."""
    largest_difference: float = 0.0
    rejected: str = ""
    """Why it may not be used; empty if it may."""

    @property
    def score(self) -> float:
        """The geometric mean of its speeds; 0 if it may not be used."""
        if self.rejected or not self.samples_per_second:
            return 0.0
        return math.exp(math.fsum(map(math.log, self.samples_per_second.values())) / len(self.samples_per_second))


class Calibration(BaseModel):
    """What was chosen, and from what."""

    model_config = ConfigDict(frozen=True)

    configuration: Configuration
    trials: list[Trial]
    seconds: float
    """How long it took to find out."""
    core_share: float
    """How much of a core each thread had, 0 to about 1, as the median of all timed runs of one thread an instance; 1 if
    there were none."""

    @property
    def disturbance(self) -> str:
        """That it was made on a busy machine, in words; empty if it was not."""
        had = f"calibrated while it had only {self.core_share:.0%} of the cores"
        return had if self.core_share < MIN_CORE_SHARE else ""

    @property
    def chosen_trial(self) -> Trial | None:
        return next((each for each in self.trials if each.configuration.name == self.configuration.name), None)
