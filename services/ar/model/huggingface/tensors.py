"""A checkpoint's tensors under the names and with the meaning that they have in a Llama, whatever its family."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor

from services.ar.model.config import ModelConfig
from services.ar.model.fused_rows import split, split_shapes
from services.ar.model.quantised import Weights
from services.ar.model.safetensors_files import read_shapes, read_tensors
from services.ar.model.tensor_check import Shape

# Gemma 3 calls the norm of what attention gives as a Llama calls the one before the MLP.
_GEMMA3_NORMS = {
    "post_attention_layernorm": "attention_output_norm",
    "pre_feedforward_layernorm": "post_attention_layernorm",
    "post_feedforward_layernorm": "mlp_output_norm",
}


def llama_shapes(folder: Path, files: list[Path], family: str, config: ModelConfig) -> Mapping[str, Shape]:
    """Return the shape of each tensor by a Llama's names. Raises ModelError."""
    shapes = {_name(name, family): shape for name, shape in read_shapes(files).items()}
    return split_shapes(folder, config, shapes)


def llama_tensors(files: list[Path], family: str, config: ModelConfig) -> Iterator[tuple[str, Weights]]:
    """Yield each tensor by a Llama's name. Raises ModelError."""
    for name, tensor in read_tensors(files):
        yield from split(config, _name(name, family), _meaning(name, tensor, family))


def _name(name: str, family: str) -> str:
    parts = name.split(".")
    renamed = (_GEMMA3_NORMS.get(part, part) for part in parts) if family == "gemma3" else parts
    return ".".join(renamed)


def _meaning(name: str, tensor: Tensor, family: str) -> Tensor:
    """A norm of Gemma 3 multiplies by 1 + what is stored."""
    return tensor.float() + 1 if family == "gemma3" and name.endswith("norm.weight") else tensor
