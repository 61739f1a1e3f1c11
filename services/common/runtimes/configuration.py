"""How a model is run: what was asked for, what came of trying, and what was chosen. Plain values; knows no runtime."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt

RuntimeName = Literal["onnxruntime", "openvino"]
Precision = Literal["float32", "bfloat16", "int8"]
"""What most of the work is done in; the rest of a model in int8 computes in what is fastest here."""
RuntimeChoice = Literal["auto", "onnxruntime", "openvino"]
PrecisionChoice = Literal["auto", "float32", "bfloat16", "int8"]
ProviderChoice = Literal["auto", "cpu", "cuda", "tensorrt"]

MIN_CORE_SHARE = 0.7
"""With less, other programs may have decided what seemed the fastest. Some is always lost between passes."""


class _Values(BaseModel):
    model_config = ConfigDict(frozen=True)


class Wish(_Values):
    """What the settings fix; the rest is chosen by measuring."""

    runtime: RuntimeChoice = "auto"
    precision: PrecisionChoice = "auto"
    num_instances: int = 0
    """0: as many as are fastest."""
    threads_per_instance: int = 0
    """0: as many as are fastest."""
    max_batch_size: PositiveInt


class Configuration(_Values):
    """One configuration of runtime, precision and threads for a model."""

    runtime: RuntimeName
    precision: Precision
    is_rewritten: bool
    """Whether the graph is run in the form that `rewrites` gives it."""
    num_instances: PositiveInt
    threads_per_instance: PositiveInt
    pass_seconds: dict[int, PositiveFloat] = {}
    """Seconds of a pass by the batch sizes that are compiled; empty where the runtime takes any size."""

    @property
    def num_threads(self) -> int:
        """Threads that all instances compute with together."""
        return self.num_instances * self.threads_per_instance

    @property
    def name(self) -> str:
        """The configuration in words, for people."""
        rewritten = ", rewritten" if self.is_rewritten else ""
        return f"{self.runtime} {self.precision}{rewritten}, {self.num_instances} x {self.threads_per_instance} threads"


class Trial(_Values):
    """What came of one configuration."""

    configuration: Configuration
    samples_per_second: dict[int, float] = {}
    """Of all instances together, by batch size; see `calibrator` for how it is measured."""
    rms_difference: float = 0.0
    """From the reference, as a share of the range of its values."""
    rejected: str = ""
    """Why it may not be used; empty if it may."""

    @property
    def score(self) -> float:
        """The geometric mean of its speeds; 0 if it may not be used."""
        if self.rejected or not self.samples_per_second:
            return 0.0
        return math.exp(math.fsum(map(math.log, self.samples_per_second.values())) / len(self.samples_per_second))


class Calibration(_Values):
    """What was chosen, and from what."""

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
        return next((trial for trial in self.trials if trial.configuration.name == self.configuration.name), None)
