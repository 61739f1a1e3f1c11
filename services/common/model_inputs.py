"""Which input of an ONNX model takes what: found by element type and shape, checked against model.toml.

Knows nothing of sessions; works on what they say of their inputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tandem.shared.models import ModelError

FLOAT = "tensor(float)"
INTEGERS: dict[str, type[np.generic]] = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}


class TensorInfo(Protocol):
    """What ONNX Runtime says of an input or output; a free dimension is a name or None."""

    name: str
    shape: list[int | str | None]
    type: str


@dataclass(frozen=True)
class LabelInput:
    """The input that takes classes: as integers [B] or [B, 1], or one-hot [B, num_classes]."""

    name: str
    dtype: type[np.generic]
    num_classes: int
    rank: int

    def feed(self, labels: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Return classes [B] as the model wants them."""
        if self.dtype is np.float32:
            return np.eye(self.num_classes, dtype=np.float32)[labels]
        converted = labels.astype(self.dtype, copy=False)
        return converted[:, None] if self.rank == 2 else converted


def main_input(inputs: Sequence[TensorInfo], shapes: Sequence[tuple[int, ...]], what: str) -> TensorInfo:
    """Return the first float input whose shape after the batch dimension is one of `shapes`. Raises ModelError."""
    for each in inputs:
        if each.type == FLOAT and any(_fits(each.shape[1:], shape) for shape in shapes):
            _check_free_batch(each)
            return each
    raise ModelError(f"no {what} input: expected float [batch, {_join(shapes[0])}], found {describe(inputs)}")


def token_input(inputs: Sequence[TensorInfo], num_tokens: int) -> TensorInfo:
    """Return the one input, which takes integer tokens [batch, num_tokens]. Raises ModelError."""
    if len(inputs) != 1 or inputs[0].type not in INTEGERS or not _fits(inputs[0].shape[1:], (num_tokens,)):
        raise ModelError(f"expected one input, integer [batch, {num_tokens}], found {describe(inputs)}")
    _check_free_batch(inputs[0])
    return inputs[0]


def label_input(inputs: Sequence[TensorInfo], main: TensorInfo, num_classes: int) -> LabelInput | None:
    """Return the other input, which takes classes, or None if there is none. Raises ModelError."""
    others = [each for each in inputs if each.name != main.name]
    expected = "one input for classes" if num_classes else "no further input, as image.class_names is empty"
    if len(others) != (1 if num_classes else 0):
        raise ModelError(f"expected {expected}, found {describe(others)}")
    if not others:
        return None
    (other,) = others
    _check_free_batch(other)
    if other.type in INTEGERS and (len(other.shape) == 1 or _fits(other.shape[1:], (1,))):
        return LabelInput(other.name, INTEGERS[other.type], num_classes, len(other.shape))
    if other.type == FLOAT and _fits(other.shape[1:], (num_classes,)):
        return LabelInput(other.name, np.float32, num_classes, 2)
    raise ModelError(f"expected integer [batch] or float [batch, {num_classes}] for classes, found {describe(others)}")


def _fits(found: Sequence[int | str | None], wanted: tuple[int, ...]) -> bool:
    return len(found) == len(wanted) and all(
        not isinstance(f, int) or f == w for f, w in zip(found, wanted, strict=True)
    )


def _check_free_batch(each: TensorInfo) -> None:
    if isinstance(each.shape[0], int):
        raise ModelError(f"input {each.name} has the fixed batch size {each.shape[0]}; export it with a free one")


def describe(tensors: Sequence[TensorInfo]) -> str:
    """Return the tensors in words, for error messages."""
    return ", ".join(f"{each.name}: {each.type} {each.shape}" for each in tensors) or "none"


def _join(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))
