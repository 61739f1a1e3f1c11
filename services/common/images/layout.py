"""How an ONNX model lays its images out, NCHW or NHWC: found by what it really gives. Knows nothing of sessions."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from services.common.images.encoding import Images
from services.common.model_inputs import TensorInfo, describe
from tandem.shared.model_spec import ImageSpec
from tandem.shared.models import ModelError

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
