"""Rotary position embedding (Su et al. 2021), in the half-split layout of Hugging Face checkpoints."""

import math

import numpy as np

from services.ar.model.arrays import Array
from services.ar.model.config import FactorRopeScaling, Llama3RopeScaling, ModelConfig


def rotary_table(config: ModelConfig, num_positions: int, is_local: bool = False) -> tuple[Array, Array]:
    """Return (cos, sin), each [num_positions, head_dim] float32, of local layers or of all others."""
    angles = np.outer(np.arange(num_positions, dtype=np.float32), rotary_frequencies(config, is_local))
    angles = np.concatenate([angles, angles], axis=-1).astype(np.float64)  # the same bits on every processor
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def rotary_frequencies(config: ModelConfig, is_local: bool = False) -> Array:
    """Return the angle of each pair of a head for one position, [head_dim / 2] float32."""
    own_theta = config.local_rope_theta if is_local else None
    exponents = np.arange(0, config.head_dim, 2) / config.head_dim
    frequencies = np.asarray((own_theta or config.rope_theta) ** -exponents, np.float32)  # [head_dim / 2]
    if config.rope_scaling is None or own_theta is not None:
        return frequencies
    if isinstance(config.rope_scaling, FactorRopeScaling):
        return frequencies / np.array(config.rope_scaling.factors, np.float32)
    return _scale_llama3(frequencies, config.rope_scaling)


def _scale_llama3(frequencies: Array, scaling: Llama3RopeScaling) -> Array:
    wavelengths = np.float32(2 * math.pi) / frequencies
    turns = scaling.original_context_tokens / wavelengths
    # 0 for wavelengths longer than the original context, 1 for short ones, a ramp between.
    share_kept = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor)
    share_kept = share_kept.clip(0.0, 1.0)
    return frequencies * (share_kept + (1 - share_kept) / scaling.factor)
