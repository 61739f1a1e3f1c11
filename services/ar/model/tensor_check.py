"""What the tensors of a checkpoint must be: of the names and shapes of its configuration, checked before any of them is
read, and finite, checked as they are read.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from services.ar.model.arrays import Shape, all_finite
from services.ar.model.config import ModelConfig
from services.ar.model.fields import shortened
from services.ar.model.quantised import Held, QuantisedTensor
from tandem.shared.models import ModelError

_MAX_NAMES = 3  # listed in an error


def check_tensors(file: Path, config: ModelConfig, found: Mapping[str, Shape]) -> None:
    """Raises ModelError unless `found`, shapes by Hugging Face's names, is what a model of `config` consists of."""
    wanted = expected_shapes(config)
    for name, shape in found.items():
        if name in wanted:
            if shape != wanted[name]:
                raise ModelError(f"{file}: {name}: shape {shortened(shape)}, the config says {wanted[name]}")
        elif not is_superfluous(name, config):
            raise ModelError(f"{file}: unexpected tensor {shortened(name)}; the config's model has none of that name")
    missing = [name for name in wanted if name not in found]
    if missing:
        more = f" and {len(missing) - _MAX_NAMES:,} more" * (len(missing) > _MAX_NAMES)
        raise ModelError(f"{file}: missing tensors: {', '.join(missing[:_MAX_NAMES])}{more}")


def check_finite(file: Path, name: str, weights: Held) -> Held:
    """Return some or all weights of a tensor. Raises ModelError if one of them is NaN or infinite."""
    floats = (weights.scales, weights.minima) if isinstance(weights, QuantisedTensor) else (weights,)
    if not all(each is None or all_finite(each) for each in floats):
        raise ModelError(f"{file}: {shortened(name)} holds NaN or infinity; accepted: finite weights")
    return weights


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


def is_superfluous(name: str, config: ModelConfig) -> bool:
    """Return whether a tensor may be there though it is not used: a tied head, rotary tables of old checkpoints."""
    return (config.ties_embeddings and name == "lm_head.weight") or "rotary_emb" in name
