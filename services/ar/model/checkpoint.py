"""What a checkpoint of any format is once opened: config, tokenizer if any, and tensors under Hugging Face's names."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from tokenizers import Tokenizer

from services.ar.model.config import ModelConfig
from services.ar.model.quantised import Weights

MAX_TEMPLATE_CHARACTERS = 1024 * 1024


class TensorReader(Protocol):
    """Yields (name, tensor) one by one, so that two formats of all weights never lie in memory at once."""

    def __call__(self) -> Iterator[tuple[str, Weights]]: ...


@dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint; tensors are read when `read_tensors` is called."""

    config: ModelConfig
    tokenizer: Tokenizer | None
    """None for a model whose tokens are no text."""
    read_tensors: TensorReader
    dtype: str = "float32"
    """What the matrices are stored in: float32 (or float16), bfloat16, int8 or int4."""
    eos_token_ids: frozenset[int] = frozenset()
    bos_token_id: int | None = None
    """Put before a plain text prompt; None if the model has none."""
    chat_template: str | None = None
    special_tokens: dict[str, str] = field(default_factory=dict)
    """What a chat template may use: bos_token, eos_token and so on."""
