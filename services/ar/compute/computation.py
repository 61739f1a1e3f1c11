"""A model with its cache, ready to be started, and what is to be said of how it computes."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.ar.compute.runner import Forward


@dataclass(frozen=True)
class Computation:
    """A model with its cache, ready to be started.

    chunk_tokens: where prompts must be cut, so that how a sequence is computed does not depend on the others; None
    where that makes no difference, or where nobody is promised that it does not.
    """

    forward: Forward
    num_blocks: int
    device: str
    dtype: str
    is_exact: bool
    kernel: str
    """What computes the steps: "native", "torch" or "cuda"."""
    kernel_causes: Mapping[str, object]
    """What results depend on to the last bit, besides weights, dtype and processor; values that JSON can hold."""
    chunk_tokens: int | None = None
