"""Rotary position embedding (Su et al. 2021), in the half-split layout of Hugging Face checkpoints."""

import math

import numpy as np

from services.ar.model.arrays import Array
from services.ar.model.config import FactorRopeScaling, Llama3RopeScaling, LongRopeScaling, ModelConfig, RopeScaling


def rotary_table(config: ModelConfig, num_positions: int, is_local: bool = False) -> tuple[Array, Array]:
    """Return (cos, sin), each [num_positions, head_dim] float32, of local layers or of all others."""
    frequencies, attention_factor = _frequencies(config, num_positions, is_local)
    angles = np.outer(np.arange(num_positions, dtype=np.float32), frequencies)
    angles = np.concatenate([angles, angles], axis=-1).astype(np.float64)  # the same bits on every processor
    return _rounded(np.cos(angles) * attention_factor), _rounded(np.sin(angles) * attention_factor)


def _rounded(values: Array) -> Array:
    return values.astype(np.float32)


def rotary_frequencies(config: ModelConfig) -> Array:
    """Return the angle of each pair of a head for one position, [head_dim / 2] float32; not of local layers."""
    return _frequencies(config, 1, is_local=False)[0]


def _frequencies(config: ModelConfig, num_positions: int, is_local: bool) -> tuple[Array, float]:
    own_theta = config.local_rope_theta if is_local else None
    exponents = np.arange(0, config.head_dim, 2) / config.head_dim
    frequencies = _rounded((own_theta or config.rope_theta) ** -exponents)  # [head_dim / 2]
    if config.rope_scaling is None or own_theta is not None:
        return frequencies, 1.0
    return _scaled(frequencies, config.rope_scaling, num_positions)


def _scaled(frequencies: Array, scaling: RopeScaling, num_positions: int) -> tuple[Array, float]:
    """Return the frequencies for contexts of up to `num_positions`, and the factor of queries and keys."""
    match scaling:
        case Llama3RopeScaling():
            return _scale_llama3(frequencies, scaling), 1.0
        case FactorRopeScaling():
            return frequencies / np.array(scaling.factors, np.float32), 1.0
        case LongRopeScaling():
            factors = scaling.long_factors if scaling.is_long(num_positions) else scaling.short_factors
            return frequencies / np.array(factors, np.float32), scaling.attention_factor


def _scale_llama3(frequencies: Array, scaling: Llama3RopeScaling) -> Array:
    wavelengths = np.float32(2 * math.pi) / frequencies
    turns = scaling.original_context_tokens / wavelengths
    # 0 for wavelengths longer than the original context, 1 for short ones, a ramp between.
    share_kept = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor)
    share_kept = share_kept.clip(0.0, 1.0)
    return frequencies * (share_kept + (1 - share_kept) / scaling.factor)
