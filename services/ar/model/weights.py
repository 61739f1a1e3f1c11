"""From a checkpoint's tensors to the parameters of the transformer."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from services.ar.model.checkpoint import Checkpoint
from services.ar.model.config import ModelConfig
from services.ar.model.gguf.checkpoint import open_gguf
from services.ar.model.huggingface.checkpoint import open_huggingface
from services.ar.model.quantised import Weights, as_array
from services.ar.model.tensor_check import expected_shapes
from tandem.shared.models import ModelError

# Our name, and the Hugging Face modules whose rows it stacks.
_FUSED = {
    "attention.qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "attention.out": ("self_attn.o_proj",),
    "attention.query_norm": ("self_attn.q_norm",),
    "attention.key_norm": ("self_attn.k_norm",),
    "attention_norm": ("input_layernorm",),
    "mlp_norm": ("post_attention_layernorm",),
    "mlp.gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "mlp.down": ("mlp.down_proj",),
    "attention_output_norm": ("attention_output_norm",),
    "mlp_output_norm": ("mlp_output_norm",),
}
_TOP = {"embedding": "model.embed_tokens", "norm": "model.norm", "head": "lm_head"}


def open_checkpoint(path: Path) -> Checkpoint:
    """Open a GGUF file or a Hugging Face directory. Raises ModelError."""
    if path.is_dir():
        return open_huggingface(path)
    if path.suffix.lower() == ".gguf":
        return open_gguf(path)
    raise ModelError(f"{path}: neither a .gguf file nor a Hugging Face directory")


def read_parameters(
    checkpoint: Checkpoint, report: Callable[[float], None] = lambda share: None
) -> Iterator[tuple[str, list[Weights]]]:
    """Yield the parts of each parameter, to be stacked. Raises ModelError.

    `report` is told the share of tensors read, 0 to 1.
    """
    config = checkpoint.config
    wanted = expected_shapes(config)
    slots = {theirs: (ours, index) for ours, theirs, index in parameter_names(config) if theirs in wanted}
    num_parts = Counter(target for target, _ in slots.values())
    parts: dict[str, dict[int, Weights]] = defaultdict(dict)
    for count, (name, weights) in enumerate(checkpoint.read_tensors(), 1):
        if name not in slots:
            continue
        target, index = slots[name]
        parts[target][index] = weights
        if len(parts[target]) == num_parts[target]:
            found = parts.pop(target)
            yield target, _scale(target, [found[index] for index in sorted(found)], config)
        report(min(1.0, count / sum(num_parts.values())))


def parameter_names(config: ModelConfig) -> Iterator[tuple[str, str, int]]:
    """Yield our name of each parameter that there may be, Hugging Face's of a part of it, and the part's place."""
    for kind in ("weight", "bias"):
        for ours, theirs in _TOP.items():
            yield f"{ours}.{kind}", f"{theirs}.{kind}", 0
        for layer in range(config.num_layers):
            for ours, stacked in _FUSED.items():
                for index, theirs in enumerate(stacked):
                    yield f"layers.{layer}.{ours}.{kind}", f"model.layers.{layer}.{theirs}.{kind}", index


def _scale(name: str, parts: list[Weights], config: ModelConfig) -> list[Weights]:
    """Have the norm of queries, a vector, take up what else they are multiplied with."""
    is_query_norm = name.endswith("attention.query_norm.weight")
    return [as_array(part) * config.query_scale for part in parts] if is_query_norm else parts
