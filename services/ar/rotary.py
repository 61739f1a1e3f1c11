"""Rotary position embedding (Su et al. 2021), in the half-split layout of Hugging Face checkpoints."""

import math

import torch
from torch import Tensor

from services.ar.model_config import Llama3RopeScaling, ModelConfig


def rotary_table(config: ModelConfig, num_positions: int) -> tuple[Tensor, Tensor]:
    """Return (cos, sin), each [num_positions, head_dim] float32."""
    exponents = torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim
    frequencies = 1.0 / config.rope_theta**exponents  # [head_dim / 2]
    if config.rope_scaling is not None:
        frequencies = _scale_llama3(frequencies, config.rope_scaling)
    angles = torch.outer(torch.arange(num_positions, dtype=torch.float32), frequencies)
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def _scale_llama3(frequencies: Tensor, scaling: Llama3RopeScaling) -> Tensor:
    wavelengths = 2 * math.pi / frequencies
    turns = scaling.original_context_tokens / wavelengths
    # 0 for wavelengths longer than the original context, 1 for short ones, a ramp between.
    share_kept = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor)
    share_kept = share_kept.clamp(0.0, 1.0)
    return frequencies * (share_kept + (1 - share_kept) / scaling.factor)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate x [T, H, D] by its positions' angles: cos and sin [T, 1, D]."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin
