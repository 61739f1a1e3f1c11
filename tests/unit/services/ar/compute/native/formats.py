"""A tiny model in each format of weights that the kernel has, and the kernel opened on it."""

from dataclasses import replace

import numpy as np

from services.ar.compute.native.forward import NativeForward
from services.ar.compute.native.library import Kernel, open_kernel
from services.ar.compute.native.packing import STORED
from services.ar.compute.native.parameters import FINE_POSITIONS, CacheDtype, Parameters, Sizes
from services.ar.model.arrays import FLOATS, Array, pad
from services.ar.model.checkpoint import Checkpoint
from services.ar.model.quantised import (
    GROUP,
    Q4_0_MIDDLE,
    Kind,
    QuantisedTensor,
    Weights,
    as_array,
    pack_nibbles,
    quantise,
)
from tandem.shared.cache_folder import cache_folder

DTYPES = ("float32", "float16", "bfloat16", "int8", "int6", "int5", "int4", "q4_0", "mixed")
BLOCK_SIZE = 16
NUM_ROWS = 64


@np.errstate(all="ignore")
def round_weights(weights: Array, kind: Kind) -> QuantisedTensor:
    """Round matrices plainly: int4 and int5 by minimum and scale of each group, the others by scale alone."""
    if kind == "int8":
        return quantise(weights)
    weights, group = pad(weights, GROUP), 16 if kind == "int6" else GROUP
    groups = weights.reshape(len(weights), -1, group)
    if kind in ("int4", "int5"):
        minima, most = groups.min(-1).astype(np.float16), 2 ** int(kind[-1]) - 1
        scales = ((groups.max(-1) - minima) / most).astype(np.float16)
        steps = np.rint((groups - minima[..., None]) / divisors(scales)).clip(0, most)
        steps = steps.astype(np.uint8).reshape(weights.shape)
        return QuantisedTensor(pack_nibbles(steps) if kind == "int4" else steps, scales, minima, kind)
    scales = (np.abs(groups).max(-1) / {"int6": 31, "q4_0": 7}[kind]).astype(np.float16)
    steps = groups / divisors(scales)
    if kind == "int6":
        return QuantisedTensor(np.rint(steps).clip(-32, 31).astype(np.int8).reshape(weights.shape), scales, kind=kind)
    shifted = np.rint(steps).clip(-Q4_0_MIDDLE, 7) + Q4_0_MIDDLE
    return QuantisedTensor(pack_nibbles(shifted.astype(np.uint8).reshape(weights.shape)), scales, kind=kind)


def divisors(scales: Array) -> Array:
    return np.maximum(scales.astype(np.float32)[..., None], np.float32(1e-9))


def is_rounded(dtype: str) -> bool:
    """Return whether the kernel rounds activations with such weights."""
    return "float" not in dtype


KINDS = [
    *({"dtype": dtype} for dtype in DTYPES),
    *({"dtype": dtype, "cache_dtype": "int8"} for dtype in ("float32", "int4")),
]
"""Types of weights, and of the cache what is not its own type."""


def in_format(checkpoint: Checkpoint, dtype: str) -> Checkpoint:
    """Return a checkpoint whose weights are what a kernel of `dtype` holds of those of `checkpoint`."""

    def rounded(name: str, weights: Weights) -> Weights:
        weights = as_array(weights)
        if len(weights.shape) == 1 or dtype == "float32":
            return weights
        if dtype in ("float16", "bfloat16"):
            return weights.astype(FLOATS[dtype])
        # As in most files of few bits, the embedding has 8. A mixed file has queries of fewer bits than keys.
        if dtype == "int8" or "embed" in name:
            return quantise(weights)
        return round_weights(
            weights,
            ("int6" if any(part in name for part in ("k_proj", "v_proj", "down")) else "int4")
            if dtype == "mixed"
            else dtype,
        )

    tensors = [(name, rounded(name, weights)) for name, weights in checkpoint.read_tensors()]
    return replace(checkpoint, read_tensors=lambda: iter(tensors), dtype=dtype)


def native(
    checkpoint: Checkpoint,
    dtype: str = "float16",
    num_blocks: int = 64,
    level: str | None = None,
    fine_positions: int = FINE_POSITIONS,
    cache_dtype: CacheDtype | None = None,
) -> NativeForward:
    """Return the kernel on a checkpoint as it is stored, started."""
    own_kernel = kernel(level)
    parameters = Parameters(checkpoint, STORED, 256, lambda share: None, own_kernel, fine_positions)
    own_cache_dtype: CacheDtype = "float32" if dtype == "float32" else "float16"
    sizes = Sizes(cache_dtype or own_cache_dtype, num_blocks, BLOCK_SIZE, NUM_ROWS, 256)
    forward = NativeForward(parameters, own_kernel, sizes, 2)
    forward.start()
    return forward


def kernel(level: str | None = None) -> Kernel:
    return open_kernel(cache_folder() / "kernels", level)
