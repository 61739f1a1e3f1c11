"""The valid tiny models that mutations start from: each family as a Hugging Face directory, and GGUF files."""

import json
from pathlib import Path

from gguf import GGMLQuantizationType

from services.ar.model.weights import open_checkpoint
from tests.model_fuzz import GGUF, HUGGINGFACE
from tests.tiny_gguf import write_gguf
from tests.tiny_models import FAMILIES, save_tiny_model

_TYPES = (GGMLQuantizationType.F32, GGMLQuantizationType.Q8_0, GGMLQuantizationType.Q4_1)


def write_bases(folder: Path) -> None:
    """Write the models into `folder`/gguf and `folder`/huggingface."""
    for family in FAMILIES:
        base = folder / HUGGINGFACE / family
        save_tiny_model(base, family)
        _add_optional_files(base)
    (folder / GGUF).mkdir()
    for type_ in _TYPES:
        write_gguf(open_checkpoint(folder / HUGGINGFACE / "llama"), folder / GGUF / f"{type_.name}.gguf", type_)


def _add_optional_files(base: Path) -> None:
    template = (base / "chat_template.jinja").read_text()
    (base / "chat_template.jinja").unlink()
    config = {"chat_template": template, "bos_token": "<s>", "eos_token": {"content": "<|end|>", "special": True}}
    (base / "tokenizer_config.json").write_text(json.dumps(config))
    names = open_checkpoint(base).read_tensors()
    index = {"metadata": {}, "weight_map": {name: "model.safetensors" for name, _ in names}}
    (base / "model.safetensors.index.json").write_text(json.dumps(index))
