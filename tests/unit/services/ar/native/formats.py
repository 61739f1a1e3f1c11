"""A tiny model in each format of weights that the kernel has, and the kernel opened on it."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from runtime.settings import cache_folder
from services.ar.checkpoint import Checkpoint
from services.ar.native.forward import NativeForward
from services.ar.native.opening import open_kernel
from services.ar.native.parameters import Parameters
from services.ar.quantised import GROUP, QuantisedTensor, Weights, as_tensor, quantise

DTYPES = ("float32", "bfloat16", "int8", "int4")
BLOCK_SIZE = 16
NUM_ROWS = 64


def four_bits(weights: Tensor) -> QuantisedTensor:
    """Round matrices as Q4_1 does: minimum and scale of each group of 32."""
    groups = functional.pad(weights, (0, -weights.shape[-1] % GROUP)).unflatten(-1, (-1, GROUP))
    minima = groups.amin(-1).half()
    scales = ((groups.amax(-1) - minima) / 15).half()
    steps = ((groups - minima.unsqueeze(-1)) / scales.float().unsqueeze(-1).clamp(min=1e-9)).round().clamp(0, 15)
    return QuantisedTensor(steps.to(torch.uint8).flatten(-2), scales, minima)


def in_format(checkpoint: Checkpoint, dtype: str) -> Checkpoint:
    """Return a checkpoint whose weights are what a kernel of `dtype` holds of those of `checkpoint`."""

    def rounded(name: str, weights: Weights) -> Weights:
        weights = as_tensor(weights)
        if weights.ndim == 1 or dtype == "float32":
            return weights
        if dtype == "bfloat16":
            return weights.bfloat16().float()
        # As in most files of 4 bits, the embedding has 8.
        return quantise(weights) if dtype == "int8" or "embed" in name else four_bits(weights)

    tensors = [(name, rounded(name, weights)) for name, weights in checkpoint.read_tensors()]
    return replace(checkpoint, read_tensors=lambda: iter(tensors), dtype=dtype)


def native(checkpoint: Checkpoint, dtype: str, num_blocks: int = 64, level: str | None = None) -> NativeForward:
    return started(Parameters(checkpoint, dtype, 256, lambda share: None), dtype, num_blocks, level)


def started(parameters: Parameters, dtype: str, num_blocks: int = 64, level: str | None = None) -> NativeForward:
    library = open_kernel(cache_folder() / "kernels", level)
    forward = NativeForward(parameters, library, dtype, num_blocks, BLOCK_SIZE, NUM_ROWS, 256, 2)
    forward.start()
    return forward
