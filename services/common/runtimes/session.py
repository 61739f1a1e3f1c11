"""What a network needs of a runtime: an ONNX model, opened, that runs batches. Knows no runtime."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy.typing as npt

from services.common.model_inputs import TensorInfo

Array = npt.NDArray[Any]
Feed = Mapping[str, Array]
"""Values by input name; the first dimension of each is the batch."""


class Session(Protocol):
    """One instance of a model; `run` may be called from any thread, one call at a time."""

    @property
    def inputs(self) -> Sequence[TensorInfo]: ...

    @property
    def outputs(self) -> Sequence[TensorInfo]: ...

    @property
    def providers(self) -> list[str]:
        """What really runs the model, the first choice first."""
        ...

    def run(self, feed: Feed, output_names: list[str]) -> list[Array]:
        """Return the outputs, which belong to the caller. Raises ModelError if the model fails."""
        ...


def num_rows(feed: Feed) -> int:
    """Return the batch size of a feed."""
    return len(next(iter(feed.values())))


def rows(feed: Feed, start: int, stop: int) -> dict[str, Array]:
    """Return the samples start to stop - 1 of a feed."""
    return {name: value[start:stop] for name, value in feed.items()}
