"""From a checkpoint's tensors to a Transformer in a given type on a given device, checked name by name."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from runtime.models import ModelError
from services.ar.model.checkpoint import Checkpoint
from services.ar.model.config import ModelConfig
from services.ar.model.gguf.checkpoint import open_gguf
from services.ar.model.huggingface.checkpoint import open_huggingface
from services.ar.model.model import Transformer
from services.ar.model.quantised import Weights, as_tensor
from services.ar.model.tensor_check import is_superfluous

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
    model = skeleton(checkpoint.config)
    state = {
        name: torch.cat([as_tensor(part).to(device=device, dtype=dtype) for part in parts])
        for name, parts in read_parameters(checkpoint, model, report)
    }
    model.load_state_dict(state, assign=True, strict=False)
    if model.config.ties_embeddings:
        model.head.weight = model.embedding.weight
    return model.eval().requires_grad_(False)


def skeleton(config: ModelConfig) -> Transformer:
    """Return a model without weights, that knows their names and shapes."""
    with torch.device("meta"), _WithoutInitialisation():
        return Transformer(config)


class _WithoutInitialisation(TorchFunctionMode):
    """Leaves parameters as they are.

    To draw them on the meta device would make torch load its compiler, which takes over a second and some 60 MB.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == torch.nn.init.__name__:
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


def read_parameters(
    checkpoint: Checkpoint, model: Transformer, report: Callable[[float], None] = lambda share: None
) -> Iterator[tuple[str, list[Weights]]]:
    """Yield the parts of each parameter of `model`, to be stacked. Raises ModelError unless all are there, in shape."""
    slots = _slots(checkpoint.config, model)
    num_parts = Counter(target for target, _ in slots.values())
    parts: dict[str, dict[int, Weights]] = defaultdict(dict)
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    for count, (name, weights) in enumerate(checkpoint.read_tensors(), 1):
        if name in slots:
            target, index = slots.pop(name)
            parts[target][index] = weights
            if len(parts[target]) == num_parts[target]:
                yield target, _scaled(target, _ordered(target, parts.pop(target), shapes[target]), checkpoint.config)
            report(min(1.0, count / sum(num_parts.values())))
        elif not is_superfluous(name, checkpoint.config):
            raise ModelError(f"unexpected tensor {name}")
    if slots:
        raise ModelError(f"missing tensors: {', '.join(slots)}")


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


def _scaled(name: str, parts: list[Weights], config: ModelConfig) -> list[Weights]:
    """Have the norm of queries, a vector, take up what else they are multiplied with."""
    is_query_norm = name.endswith("attention.query_norm.weight")
    return [as_tensor(part) * config.query_scale for part in parts] if is_query_norm else parts


def _ordered(name: str, parts: dict[int, Weights], wanted: torch.Size) -> list[Weights]:
    ordered = [parts[index] for index in sorted(parts)]
    shape = torch.Size([sum(part.shape[0] for part in ordered), *ordered[0].shape[1:]])
    if shape != wanted or any(part.shape[1:] != shape[1:] for part in ordered):
        raise ModelError(f"{name}: shape {tuple(shape)}, the config says {tuple(wanted)}")
    return ordered
