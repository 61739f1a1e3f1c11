"""Rotary position embedding (Su et al. 2021), in the half-split layout of Hugging Face checkpoints."""

import math

import torch
from torch import Tensor

from services.ar.model.config import FactorRopeScaling, Llama3RopeScaling, LongRopeScaling, ModelConfig, RopeScaling


def rotary_table(config: ModelConfig, num_positions: int, is_local: bool = False) -> tuple[Tensor, Tensor]:
    """Return (cos, sin), each [num_positions, head_dim] float32, of local layers or of all others."""
    frequencies, attention_factor = _frequencies(config, num_positions, is_local)
    angles = torch.outer(torch.arange(num_positions, dtype=torch.float32), frequencies)
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos() * attention_factor, angles.sin() * attention_factor


def rotary_frequencies(config: ModelConfig) -> Tensor:
    """Return the angle of each pair of a head for one position, [head_dim / 2] float32; not of local layers."""
    return _frequencies(config, 1, is_local=False)[0]


def _frequencies(config: ModelConfig, num_positions: int, is_local: bool) -> tuple[Tensor, float]:
    own_theta = config.local_rope_theta if is_local else None
    exponents = torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim
    frequencies = 1.0 / (own_theta or config.rope_theta) ** exponents  # [head_dim / 2]
    if config.rope_scaling is None or own_theta is not None:
        return frequencies, 1.0
    return _scaled(frequencies, config.rope_scaling, num_positions)


def _scaled(frequencies: Tensor, scaling: RopeScaling, num_positions: int) -> tuple[Tensor, float]:
    """Return the frequencies for contexts of up to `num_positions`, and the factor of queries and keys."""
    match scaling:
        case Llama3RopeScaling():
            return _scale_llama3(frequencies, scaling), 1.0
        case FactorRopeScaling():
            return frequencies / torch.tensor(scaling.factors), 1.0
        case LongRopeScaling():
            is_long = num_positions > scaling.original_context_tokens
            factors = scaling.long_factors if is_long else scaling.short_factors
            return frequencies / torch.tensor(factors), scaling.attention_factor


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
