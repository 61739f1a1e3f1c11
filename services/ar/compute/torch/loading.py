"""From a checkpoint to a Transformer of torch, in a given type on a given device."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from services.ar.compute.torch.transformer import Transformer
from services.ar.model.arrays import FLOATS, Array
from services.ar.model.checkpoint import Checkpoint
from services.ar.model.config import ModelConfig
from services.ar.model.quantised import as_array
from services.ar.model.weights import read_parameters


def load_transformer(
    checkpoint: Checkpoint,
    dtype: torch.dtype,
    device: torch.device,
    report: Callable[[float], None] = lambda share: None,
) -> Transformer:
    """Return the model in eval mode; `report` is told the share of tensors read, 0 to 1. Raises ModelError."""
    model = _skeleton(checkpoint.config)
    state = {
        name: torch.cat([as_tensor(as_array(part)).to(device=device, dtype=dtype) for part in parts])
        for name, parts in read_parameters(checkpoint, report)
    }
    model.load_state_dict(state, assign=True, strict=False)
    if model.config.ties_embeddings:
        model.head.weight = model.embedding.weight
    return model.eval().requires_grad_(False)


def as_tensor(array: Array) -> Tensor:
    """Return a tensor of the same memory; torch does not know numpy's bfloat16."""
    if array.dtype == FLOATS["bfloat16"]:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _skeleton(config: ModelConfig) -> Transformer:
    """Return a model without weights."""
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
