"""Reads a Hugging Face directory: config.json, safetensors, tokenizer.json if any. Files with code are refused."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer
from torch import Tensor

from runtime.models import ModelError
from services.ar.checkpoint import Checkpoint
from services.ar.model_config import config_from_huggingface

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_TEMPLATE_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token")


def open_huggingface(folder: Path) -> Checkpoint:
    """Open a directory. Raises ModelError if a file is missing, damaged, of an unsafe format or not supported."""
    config = _json(folder / "config.json")
    tokenizer_config = _json(folder / "tokenizer_config.json", optional=True)
    tokenizer = _tokenizer(folder / "tokenizer.json")
    special = {name: _text(tokenizer_config[name]) for name in _TEMPLATE_TOKENS if tokenizer_config.get(name)}
    return Checkpoint(
        config=config_from_huggingface(config),
        tokenizer=tokenizer,
        read_tensors=lambda: _tensors(_weight_files(folder)),
        dtype="bfloat16" if config.get("dtype", config.get("torch_dtype")) == "bfloat16" else "float32",
        eos_token_ids=_eos_token_ids(folder, config),
        bos_token_id=_bos_token_id(tokenizer, special),
        chat_template=_chat_template(folder, tokenizer_config),
        special_tokens=special,
    )


def _json(path: Path, optional: bool = False) -> dict[str, Any]:
    if optional and not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: {error}") from None


def _tokenizer(path: Path) -> Tokenizer | None:
    if not path.exists():
        return None
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exceptions
        raise ModelError(f"{path}: {error}") from None


def _text(token: Any) -> str:
    return str(token["content"] if isinstance(token, dict) else token)


def _eos_token_ids(folder: Path, config: dict[str, Any]) -> frozenset[int]:
    generation = _json(folder / "generation_config.json", optional=True)
    value = generation.get("eos_token_id", config.get("eos_token_id"))
    if value is None:
        return frozenset()
    return frozenset(value if isinstance(value, list) else [value])


def _bos_token_id(tokenizer: Tokenizer | None, special: dict[str, str]) -> int | None:
    """Return the id that the tokenizer's own post-processor puts first, if it does."""
    if tokenizer is None:
        return None
    first = tokenizer.encode("a").ids[:1]
    bos = tokenizer.token_to_id(special["bos_token"]) if "bos_token" in special else None
    return bos if bos is not None and first == [bos] else None


def _chat_template(folder: Path, tokenizer_config: dict[str, Any]) -> str | None:
    path = folder / "chat_template.jinja"
    if path.exists():
        return path.read_text()
    template = tokenizer_config.get("chat_template")
    if isinstance(template, list):
        template = next((entry["template"] for entry in template if entry["name"] == "default"), None)
    return template


def _weight_files(folder: Path) -> list[Path]:
    index = _json(folder / "model.safetensors.index.json", optional=True)
    names = sorted(set(index.get("weight_map", {}).values())) or ["model.safetensors"]
    if any(Path(name).name != name for name in names):
        raise ModelError(f"{folder}: model.safetensors.index.json names a file outside the folder")
    missing = [name for name in names if not (folder / name).is_file()]
    if not missing:
        return [folder / name for name in names]
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    hint = f"; {', '.join(pickles)} may hold code and is not loaded, convert it to safetensors" if pickles else ""
    raise ModelError(f"{folder}: {', '.join(missing)} is missing{hint}")


def _tensors(files: list[Path]) -> Iterator[tuple[str, Tensor]]:
    for path in files:
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118  it is no dict
                    yield name, file.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path}: not a safetensors file, or a damaged one ({error})") from None
