"""An ONNX model that a runtime has opened, as a network uses it: what its inputs take, and what its outputs are.

Inputs are found by element type and shape, and checked against model.toml; the layout of images by what the model
really gives. Knows no runtime, and no requests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from services.common.images.encoding import Images
from tandem.shared.model_spec import ImageSpec
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


Layout = Literal["NCHW", "NHWC"]


def layout_of(images: npt.NDArray[Any], outputs: Sequence[TensorInfo], spec: ImageSpec) -> Layout:
    """Return the layout of `images`, which the model gave for a batch of 2 as its first output. Raises ModelError."""
    height, width, channels = spec.shape
    if images.shape == (2, channels, height, width):
        return "NCHW"
    if images.shape == (2, height, width, channels):
        return "NHWC"
    wanted = f"[batch, {channels}, {height}, {width}] or [batch, {height}, {width}, {channels}]"
    found = f"{describe(outputs[:1])}, which gave {list(images.shape)} for a batch of 2"
    raise ModelError(f"expected images {wanted} as the first output, found {found}")


def channels_last(images: npt.NDArray[Any], layout: Layout) -> Images:
    """Return the images as float32 [N, H, W, C]."""
    images = images.astype(np.float32, copy=False)
    if layout == "NHWC":
        return images
    count, channels, height, width = images.shape
    # With one channel the two layouts are the same bytes.
    return images.reshape(count, height, width, 1) if channels == 1 else images.transpose(0, 2, 3, 1)


def finite_parts(sizes: Sequence[int], *outputs: Array) -> list[bool]:
    """Return for each part of a batch whether all its numbers, in every output, are finite.

    The outputs have sum(sizes) rows each, one a sample; part i is the next sizes[i] >= 1 of them.
    """
    if all(np.isfinite(output).all() for output in outputs):
        return [True] * len(sizes)
    rows = np.logical_and.reduce([_finite_rows(output) for output in outputs])
    parts: list[bool] = np.logical_and.reduceat(rows, np.cumsum([0, *sizes[:-1]])).tolist()
    return parts


def split(rows: Array, sizes: Sequence[int]) -> list[Array]:
    """Return the parts of a batch: views of the next sizes[0] rows, sizes[1] rows, and so on."""
    return np.split(rows, np.cumsum(sizes)[:-1])


def _finite_rows(output: Array) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isfinite(output).all(axis=tuple(range(1, output.ndim))))
