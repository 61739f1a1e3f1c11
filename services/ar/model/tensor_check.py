"""What the tensors of a checkpoint must be: the names and shapes of its configuration, as Hugging Face calls those of a
Llama. Matrices that a checkpoint stores as one, such as Phi-3's queries, keys and values, are taken apart.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.ar.model.arrays import Shape
from services.ar.model.config import ModelConfig
from services.ar.model.fields import shorten
from services.ar.model.quantised import Weights, rows_of
from tandem.shared.models import ModelError

_MAX_NAMES = 3  # listed in an error


@dataclass(frozen=True)
class Source:
    """A tensor of a checkpoint, and what opens it; matrices may stay in their file."""

    shape: Shape
    open: Callable[[], Weights]


Sources = Mapping[str, Source]
"""By the names that Hugging Face gives the tensors of a Llama, or matrices that have several of them."""


def read_sources(config: ModelConfig, sources: Sources) -> Iterator[tuple[str, Weights]]:
    """Yield the tensors of a Llama, and their names. Raises ModelError."""
    for name, source in sources.items():
        start, weights = 0, source.open()
        for part, rows in _parts(name, config):
            yield part, rows_of(weights, start, start + rows)
            start += rows
        if start == 0:
            yield name, weights


def check_sources(file: Path, config: ModelConfig, sources: Sources) -> None:
    """Raises ModelError unless these are what a model of `config` consists of."""
    found: dict[str, Shape] = {}
    for name, source in sources.items():
        shape, parts = source.shape, _parts(name, config)
        if parts and (total := sum(rows for _, rows in parts)) != shape[0]:
            raise ModelError(f"{file}: {name}: {shape[0]:,} rows, the config says {total:,}")
        found |= {part: (rows, *shape[1:]) for part, rows in parts} or {name: shape}
    wanted = expected_shapes(config)
    for name, shape in found.items():
        if name in wanted:
            if shape != wanted[name]:
                raise ModelError(f"{file}: {name}: shape {shorten(shape)}, the config says {wanted[name]}")
        elif not _is_superfluous(name, config):
            raise ModelError(f"{file}: unexpected tensor {shorten(name)}; the config's model has none of that name")
    missing = [name for name in wanted if name not in found]
    if missing:
        more = f" and {len(missing) - _MAX_NAMES:,} more" * (len(missing) > _MAX_NAMES)
        raise ModelError(f"{file}: missing tensors: {', '.join(missing[:_MAX_NAMES])}{more}")


def expected_shapes(config: ModelConfig) -> dict[str, Shape]:
    """Return the shape of each tensor of a model, by the names that Hugging Face gives those of a Llama.

    The norms that a Llama has not are `attention_output_norm` and `mlp_output_norm`.
    """
    shapes: dict[str, Shape] = {
        "model.embed_tokens.weight": (config.vocab_size, config.hidden_size),
        "model.norm.weight": (config.hidden_size,),
    }
    if not config.ties_embeddings:
        shapes["lm_head.weight"] = (config.vocab_size, config.hidden_size)
    of_layer = dict(_layer_shapes(config))
    for layer in range(config.num_layers):
        shapes |= {f"model.layers.{layer}.{name}": shape for name, shape in of_layer.items()}
    return shapes


def _layer_shapes(config: ModelConfig) -> Iterator[tuple[str, Shape]]:
    for name, (num_outputs, num_inputs), has_bias in _matrices(config):
        yield f"{name}.weight", (num_outputs, num_inputs)
        if has_bias:
            yield f"{name}.bias", (num_outputs,)
    output_norms = ("attention_output_norm", "mlp_output_norm") if config.has_output_norms else ()
    for name in ("input_layernorm", "post_attention_layernorm", *output_norms):
        yield f"{name}.weight", (config.hidden_size,)
    if config.has_qk_norm:
        for name in ("q_norm", "k_norm"):
            yield f"self_attn.{name}.weight", (config.head_dim,)


def _matrices(config: ModelConfig) -> Iterator[tuple[str, tuple[int, int], bool]]:
    """Yield name, (outputs, inputs), and whether there is a bias, of each matrix of a layer."""
    hidden, inner = config.hidden_size, config.intermediate_size
    query, key = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    yield "self_attn.q_proj", (query, hidden), config.has_qkv_bias
    yield "self_attn.k_proj", (key, hidden), config.has_qkv_bias
    yield "self_attn.v_proj", (key, hidden), config.has_qkv_bias
    yield "self_attn.o_proj", (hidden, query), config.has_attention_output_bias
    yield "mlp.gate_proj", (inner, hidden), config.has_mlp_bias
    yield "mlp.up_proj", (inner, hidden), config.has_mlp_bias
    yield "mlp.down_proj", (hidden, inner), config.has_mlp_bias


def _is_superfluous(name: str, config: ModelConfig) -> bool:
    """Return whether a tensor may be there though it is not used: a tied head, rotary tables of old checkpoints."""
    return (config.ties_embeddings and name == "lm_head.weight") or "rotary_emb" in name


def is_unused_bias(name: str, config: ModelConfig) -> bool:
    """Return whether a name is that of a bias that the model has not."""
    wanted = expected_shapes(config)
    return name.endswith(".bias") and not any(part in wanted for part in (name, *dict(_parts(name, config))))


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
