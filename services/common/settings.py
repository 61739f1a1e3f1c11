"""The settings of both backends: their models, what runs the networks in ONNX files, and what is watched of images."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from runtime.settings import BackendSettings
from services.common.runtimes.configuration import PrecisionChoice, ProviderChoice, RuntimeChoice


class ServiceSettings(BackendSettings):
    """What both have by the same names."""

    models_dir: Path = Path("models")
    """The model repository: one folder a model."""

    provider: ProviderChoice = "auto"
    """ONNX Runtime's execution provider: auto takes CUDA where there is a device, else the CPU; if one that is named
    here is not available, the process does not start."""

    runtime: RuntimeChoice = "auto"
    """What runs generators and token decoders on the CPU: auto takes the fastest, found by a short calibration at the
    first start, of those that draw the same bits in any batch. It is kept; one that was made while other programs had
    the cores is made again by a start on an idle machine. On a GPU it is ONNX Runtime."""

    precision: PrecisionChoice = "auto"
    """What generators and token decoders compute in: auto takes the fastest on this CPU. bfloat16 needs a processor
    with instructions for it; its images differ from those in float32 by less than a byte's step, as root mean square.
    int8 needs a generator that has such a form, made by `tandem models quantise`, which measures what is lost;
    token decoders take it for auto."""

    diversity_every: int = Field(32, ge=0)
    """Watches one of every N images for diversity, if the model has a baseline; 0: no image."""
    diversity_max_per_second: float = Field(64.0, gt=0.0)
    """Images a second that are watched at most."""

    @model_validator(mode="after")
    def _is_had_by_provider(self) -> Self:
        if self.provider in ("cuda", "tensorrt") and (
            self.runtime == "openvino" or self.precision in ("bfloat16", "int8")
        ):
            raise ValueError(f"provider {self.provider!r} is ONNX Runtime's, and runs what the file holds, in float32")
        return self
