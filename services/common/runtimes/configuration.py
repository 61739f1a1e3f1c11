"""How a model is run: what was asked for, and what was chosen. Plain values; knows no runtime."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt

RuntimeName = Literal["onnxruntime", "openvino"]
Precision = Literal["float32", "bfloat16", "int8"]
"""What most of the work is done in; the rest of a model in int8 computes in what is fastest here."""
RuntimeChoice = Literal["auto", "onnxruntime", "openvino"]
PrecisionChoice = Literal["auto", "float32", "bfloat16", "int8"]


class _Values(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


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
    """Whether convolutions are run in the forms that `rewrites` gives them."""
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
