"""From a checkpoint's tensors to a Transformer in a given type on a given device, checked name by name."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from runtime.models import ModelError
from services.ar.checkpoint import Checkpoint
from services.ar.gguf_checkpoint import open_gguf
from services.ar.huggingface_checkpoint import open_huggingface
from services.ar.model import Transformer
from services.ar.model_config import ModelConfig

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
}
_TOP = {"embedding": "model.embed_tokens", "norm": "model.norm", "head": "lm_head"}


def open_checkpoint(path: Path) -> Checkpoint:
    """Open a GGUF file or a Hugging Face directory. Raises ModelError."""
    if path.is_dir():
        return open_huggingface(path)
    if path.suffix == ".gguf":
        return open_gguf(path)
    raise ModelError(f"{path}: neither a .gguf file nor a Hugging Face directory")


def load_transformer(
    checkpoint: Checkpoint,
    dtype: torch.dtype,
    device: torch.device,
    report: Callable[[float], None] = lambda share: None,
) -> Transformer:
    """Return the model in eval mode; `report` is told the share of tensors read, 0 to 1. Raises ModelError."""
    with torch.device("meta"):
        model = Transformer(checkpoint.config)
    slots = _slots(checkpoint.config, model)
    num_parts = Counter(target for target, _ in slots.values())
    parts: dict[str, dict[int, Tensor]] = defaultdict(dict)
    state: dict[str, Tensor] = {}
    for count, (name, tensor) in enumerate(checkpoint.read_tensors(), 1):
        if name in slots:
            target, index = slots[name]
            parts[target][index] = tensor.to(device=device, dtype=dtype)
            if len(parts[target]) == num_parts[target]:
                state[target] = _stack(parts.pop(target))
            report(min(1.0, count / len(slots)))
        elif not (checkpoint.config.ties_embeddings and name == "lm_head.weight") and "rotary_emb" not in name:
            raise ModelError(f"unexpected tensor {name}")
    missing = [name for name, (target, _) in slots.items() if target not in state]
    if missing:
        raise ModelError(f"missing tensors, or parts of them: {', '.join(missing)}")
    _assign(model, state)
    return model.eval().requires_grad_(False)


def _slots(config: ModelConfig, model: Transformer) -> dict[str, tuple[str, int]]:
    """Return, for each Hugging Face tensor name wanted, our parameter's name and the place in its stack."""
    wanted = dict(model.named_parameters())
    return {theirs: (ours, index) for ours, theirs, index in _names(config) if ours in wanted}


def _names(config: ModelConfig) -> Iterator[tuple[str, str, int]]:
    for kind in ("weight", "bias"):
        for ours, theirs in _TOP.items():
            yield f"{ours}.{kind}", f"{theirs}.{kind}", 0
        for layer in range(config.num_layers):
            for ours, stacked in _FUSED.items():
                for index, theirs in enumerate(stacked):
                    yield f"layers.{layer}.{ours}.{kind}", f"model.layers.{layer}.{theirs}.{kind}", index


def _stack(pieces: dict[int, Tensor]) -> Tensor:
    ordered = [pieces[index] for index in sorted(pieces)]
    return ordered[0] if len(ordered) == 1 else torch.cat(ordered)


def _assign(model: Transformer, state: dict[str, Tensor]) -> None:
    for name, parameter in model.named_parameters():
        if state[name].shape != parameter.shape:
            raise ModelError(f"{name}: shape {tuple(state[name].shape)}, the config says {tuple(parameter.shape)}")
    model.load_state_dict(state, assign=True, strict=False)
    if model.config.ties_embeddings:
        model.head.weight = model.embedding.weight
