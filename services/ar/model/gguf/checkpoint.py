"""Opens a GGUF file: config, tokenizer and tensors, all checked before weights are read."""

from collections import Counter
from math import prod
from pathlib import Path

from services.ar.model.checkpoint import MAX_TEMPLATE_CHARACTERS, Checkpoint
from services.ar.model.config import ModelConfig
from services.ar.model.config_check import checked_token_id
from services.ar.model.fields import Fields
from services.ar.model.fused_rows import split_shapes
from services.ar.model.gguf import rope
from services.ar.model.gguf.config import architecture_of, config_from_gguf
from services.ar.model.gguf.file import read_gguf
from services.ar.model.gguf.names import llama_name
from services.ar.model.gguf.tensor import GgufTensor
from services.ar.model.gguf.tokenizer.reading import read_tokenizer
from services.ar.model.gguf.tokenizer.vocabulary import read_tokens
from services.ar.model.gguf.types import TensorType as Type
from services.ar.model.gguf.weights import read_weights
from services.ar.model.tensor_check import check_tensors
from services.ar.model.tokenizer_file import check_tokenizer

_DTYPES = {
    Type.F32: "float32",
    Type.F16: "float16",
    Type.BF16: "bfloat16",
    **dict.fromkeys((Type.Q4_0, Type.Q4_1, Type.Q4_K, Type.IQ4_NL), "int4"),
    **dict.fromkeys((Type.Q5_0, Type.Q5_1, Type.Q5_K), "int5"),
    Type.Q6_K: "int6",
}


def open_gguf(path: Path) -> Checkpoint:
    """Open a GGUF file. Raises ModelError if it is damaged or of another architecture or tokenizer."""
    file = read_gguf(path)
    config, architecture = config_from_gguf(file), architecture_of(file)
    weights = [tensor for tensor in file.tensors if tensor.name not in rope.TENSORS]
    shapes = {llama_name(path, architecture, tensor.name): tensor.shape for tensor in weights}
    check_tensors(path, config, split_shapes(path, config, shapes))
    found, tokens = read_tokenizer(file), read_tokens(file)
    check_tokenizer(path, found.tokenizer, config.vocab_size)
    fields = Fields(path, file.values)
    special = {name: _special_token(fields, name, config) for name in ("bos", "eos")}
    return Checkpoint(
        config=config,
        tokenizer=found.tokenizer,
        read_tensors=lambda: read_weights(path, architecture, weights, config),
        dtype=_dtype(weights),
        eos_token_ids=found.end_token_ids,
        bos_token_id=special["bos"] if found.has_bos else None,
        chat_template=fields.optional_text("tokenizer.chat_template", MAX_TEMPLATE_CHARACTERS),
        special_tokens={f"{name}_token": tokens[id_] for name, id_ in special.items() if id_ is not None},
    )


def _special_token(fields: Fields, name: str, config: ModelConfig) -> int | None:
    return checked_token_id(fields, f"tokenizer.ggml.{name}_token_id", config.vocab_size)


def _dtype(tensors: list[GgufTensor]) -> str:
    """Return what most weights of the layers' matrices are stored in."""
    num_weights: Counter[str] = Counter()
    for tensor in tensors:
        if len(tensor.shape) > 1 and tensor.name.startswith("blk."):
            num_weights[_DTYPES.get(tensor.type, "int8")] += prod(tensor.shape)
    return num_weights.most_common(1)[0][0] if num_weights else "float32"
