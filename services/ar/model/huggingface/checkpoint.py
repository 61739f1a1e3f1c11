"""Reads a Hugging Face directory: config.json, safetensors, tokenizer.json if any. Files with code are refused."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from services.ar.model.checkpoint import MAX_TEMPLATE_CHARACTERS, Checkpoint
from services.ar.model.config import ModelConfig
from services.ar.model.fields import Fields, read_object, read_text
from services.ar.model.huggingface.config import config_from_huggingface, family_of
from services.ar.model.huggingface.packed import Scheme, scheme_of, sources_of, types_of
from services.ar.model.huggingface.safetensors_files import stored_tensors, weight_files
from services.ar.model.quantised import Weights, as_array
from services.ar.model.tensor_check import Source, Sources, check_sources, is_unused_bias, read_sources
from services.ar.model.tokenizer_file import open_tokenizer
from tandem.shared.models import ModelError

_TEMPLATE_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token")
_MAX_EOS_TOKENS = 1_024
# Gemma 3 calls the norm of what attention gives as a Llama calls the one before the MLP.
_GEMMA3_NORMS = {
    "post_attention_layernorm": "attention_output_norm",
    "pre_feedforward_layernorm": "post_attention_layernorm",
    "post_feedforward_layernorm": "mlp_output_norm",
}


def open_huggingface(folder: Path) -> Checkpoint:
    """Open a directory. Raises ModelError if a file is missing, damaged, of an unsafe format or not supported."""
    raw = read_object(folder / "config.json")
    config = config_from_huggingface(folder / "config.json", raw)
    files, family = weight_files(folder), family_of(folder / "config.json", raw)
    scheme = scheme_of(folder / "config.json", raw)
    tensors = stored_tensors(files, types_of(scheme))
    stored = sources_of(folder, tensors, scheme)
    sources = {_llama_name(name, family): _with_llama_meaning(name, source, family) for name, source in stored.items()}
    # AutoGPTQ gives every matrix a bias of zeros.
    unused = {name for name in sources if scheme is not None and is_unused_bias(name, config)}
    zeros = {name: sources.pop(name) for name in unused}
    check_sources(folder, config, sources)
    tokenizer = open_tokenizer(folder / "tokenizer.json", config.vocab_size)
    path = folder / "tokenizer_config.json"
    tokenizer_config = Fields(path, read_object(path, is_optional=True))
    special = _special_tokens(tokenizer_config)
    return Checkpoint(
        config=config,
        tokenizer=tokenizer,
        read_tensors=partial(_read, config, sources, zeros),
        dtype=_dtype(raw, scheme),
        eos_token_ids=_eos_token_ids(folder, raw, config.vocab_size),
        bos_token_id=_bos_token_id(tokenizer, special),
        chat_template=_chat_template(folder, tokenizer_config),
        special_tokens=special,
    )


def _llama_name(name: str, family: str) -> str:
    parts = name.split(".")
    renamed = (_GEMMA3_NORMS.get(part, part) for part in parts) if family == "gemma3" else parts
    return ".".join(renamed)


def _with_llama_meaning(name: str, source: Source, family: str) -> Source:
    """A norm of Gemma 3 multiplies by 1 + what is stored."""
    if family != "gemma3" or not name.endswith("norm.weight"):
        return source
    return Source(source.shape, lambda: as_array(source.open()).astype(np.float32) + 1)


def _read(config: ModelConfig, sources: Sources, zeros: Sources) -> Iterator[tuple[str, Weights]]:
    for name, source in zeros.items():
        if as_array(source.open()).any():
            raise ModelError(f"{name} is not 0; the config's model has no such bias")
    yield from read_sources(config, sources)


def _dtype(raw: dict[str, Any], scheme: Scheme | None) -> str:
    if scheme is not None:
        return f"int{scheme.num_bits}"
    return "bfloat16" if raw.get("dtype", raw.get("torch_dtype")) == "bfloat16" else "float32"


def _special_tokens(tokenizer_config: Fields) -> dict[str, str]:
    """Return the texts of the tokens that a chat template may use; each is a text, or an object with its text."""
    found = {name: _text(tokenizer_config.values.get(name)) for name in _TEMPLATE_TOKENS}
    texts = Fields(tokenizer_config.file, found)
    return {name: texts.text(name) for name in _TEMPLATE_TOKENS if texts.has(name)}


def _text(token: object) -> object:
    return token.get("content") if isinstance(token, dict) else token


def _eos_token_ids(folder: Path, raw: dict[str, Any], vocab_size: int) -> frozenset[int]:
    path = folder / "generation_config.json"
    generation = read_object(path, is_optional=True)
    file, value = path, generation.get("eos_token_id")
    if value is None:
        file, value = folder / "config.json", raw.get("eos_token_id")
    values = value if isinstance(value, list) else [] if value is None else [value]
    if len(values) > _MAX_EOS_TOKENS:
        raise Fields(file, {}).error("eos_token_id", value, f"at most {_MAX_EOS_TOKENS:,} tokens")
    ids = (Fields(file, {"eos_token_id": id_}).optional_integer("eos_token_id", 0, vocab_size - 1) for id_ in values)
    return frozenset(id_ for id_ in ids if id_ is not None)


def _bos_token_id(tokenizer: Tokenizer | None, special: dict[str, str]) -> int | None:
    """Return the id that the tokenizer's own post-processor puts first, if it does."""
    if tokenizer is None:
        return None
    first = tokenizer.encode("a").ids[:1]
    bos = tokenizer.token_to_id(special["bos_token"]) if "bos_token" in special else None
    return bos if bos is not None and first == [bos] else None


def _chat_template(folder: Path, tokenizer_config: Fields) -> str | None:
    path = folder / "chat_template.jinja"
    if path.exists():
        return read_text(path, MAX_TEMPLATE_CHARACTERS)
    template = tokenizer_config.values.get("chat_template")
    if isinstance(template, list):
        named = (entry for entry in template if isinstance(entry, dict) and entry.get("name") == "default")
        template = next(named, {}).get("template")
    return Fields(tokenizer_config.file, {"chat_template": template}).optional_text(
        "chat_template", MAX_TEMPLATE_CHARACTERS
    )
