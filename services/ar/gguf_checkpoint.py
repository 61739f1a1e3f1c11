"""Opens a GGUF file of the `llama` architecture: config, tokenizer and tensors, all checked before weights are read."""

from pathlib import Path

from services.ar.checkpoint import MAX_TEMPLATE_CHARACTERS, Checkpoint
from services.ar.config_check import checked_token_id
from services.ar.fields import Fields
from services.ar.gguf_config import config_from_gguf
from services.ar.gguf_file import GgufFile, read_gguf
from services.ar.gguf_tokenizer import read_tokenizer, read_tokens
from services.ar.gguf_weights import huggingface_name, read_weights
from services.ar.model_config import ModelConfig
from services.ar.tensor_check import check_tensors
from services.ar.tokenizer_file import check_tokenizer


def open_gguf(path: Path) -> Checkpoint:
    """Open a GGUF file. Raises ModelError if it is damaged or of another architecture or tokenizer."""
    file = read_gguf(path)
    config = config_from_gguf(file)
    check_tensors(path, config, {huggingface_name(path, tensor.name): tensor.shape for tensor in file.tensors})
    tokens = read_tokens(file)
    tokenizer = read_tokenizer(file, tokens)
    check_tokenizer(path, tokenizer, config.vocab_size)
    fields = Fields(path, file.values)
    bos, eos = _special_token(fields, "bos", config), _special_token(fields, "eos", config)
    return Checkpoint(
        config=config,
        tokenizer=tokenizer,
        read_tensors=lambda: read_weights(path, file.tensors, config),
        dtype=_dtype(file),
        eos_token_ids=frozenset() if eos is None else frozenset({eos}),
        bos_token_id=bos if fields.flag("tokenizer.ggml.add_bos_token") else None,
        chat_template=fields.optional_text("tokenizer.chat_template", MAX_TEMPLATE_CHARACTERS),
        special_tokens={f"{name}_token": tokens[id_] for name, id_ in (("bos", bos), ("eos", eos)) if id_ is not None},
    )


def _special_token(fields: Fields, name: str, config: ModelConfig) -> int | None:
    return checked_token_id(fields, f"tokenizer.ggml.{name}_token_id", config.vocab_size)


def _dtype(file: GgufFile) -> str:
    """Return the smallest type that the matrices are stored in."""
    kinds = {tensor.type.name for tensor in file.tensors if len(tensor.shape) > 1}
    if kinds & {"Q4_0", "Q4_1"}:
        return "int4"
    if kinds <= {"F32", "F16"}:
        return "float32"
    return "bfloat16" if kinds <= {"F32", "F16", "BF16"} else "int8"
