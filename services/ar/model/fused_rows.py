"""Matrices that a checkpoint stores as one, such as Phi-3's queries, keys and values, taken apart."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from services.ar.model.arrays import Shape
from services.ar.model.config import ModelConfig
from services.ar.model.quantised import Weights, rows_of
from tandem.shared.models import ModelError


def split_shapes(file: Path, config: ModelConfig, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Return the shapes by name once fused matrices are split. Raises ModelError if one has not the rows it must."""
    found: dict[str, Shape] = {}
    for name, shape in shapes.items():
        parts = _parts(name, config)
        if parts and (total := sum(rows for _, rows in parts)) != shape[0]:
            raise ModelError(f"{file}: {name}: {shape[0]:,} rows, the config says {total:,}")
        found |= {part: (rows, *shape[1:]) for part, rows in parts} or {name: shape}
    return found


def split(config: ModelConfig, name: str, weights: Weights) -> Iterator[tuple[str, Weights]]:
    """Yield the parts of a fused matrix with their names, or else the matrix as it is."""
    start = 0
    for part, rows in _parts(name, config):
        yield part, rows_of(weights, start, start + rows)
        start += rows
    if start == 0:
        yield name, weights


def _parts(name: str, config: ModelConfig) -> list[tuple[str, int]]:
    """Return names and numbers of rows of what is fused under `name`; nothing if it is no fused matrix."""
    query, key = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    for fused, parts in (
        ("self_attn.qkv_proj.", (("q", query), ("k", key), ("v", key))),
        ("mlp.gate_up_proj.", (("gate", config.intermediate_size), ("up", config.intermediate_size))),
    ):
        if fused in name:
            prefix, kind = name.split(fused)
            return [(f"{prefix}{fused.split('.')[0]}.{part}_proj.{kind}", rows) for part, rows in parts]
    return []
