"""Export a trained text model: `python -m training.text.export`, see --help.

Writes what serves: config.json and model.safetensors under Hugging Face's names (a Llama) in float16, tokenizer.json,
and the digests in model.toml, which is written if there is none. The log of the training becomes training.jsonl.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from training import loop
from training.model_files import write_model_toml
from training.text.texts import END, MASK, WINDOW
from training.text.train import CONFIG, ORDERS
from training.transformer.export import write_transformer

TOML = """kind = "transformer"
modality = "text"
licence = "MIT"
description = "{size:.1f} million parameters, answers of SmolLM2-135M-Instruct, {order}"
huggingface = "."
{tokens}"""
TOKENS = """
[text_tokens]
mask_token = {mask}
order = "{order}"
"""


def model_toml(order: str) -> str:
    """Return the model.toml of a model that was trained in this order."""
    size = CONFIG.vocab_size * CONFIG.hidden_size
    size += CONFIG.num_layers * CONFIG.hidden_size * (3 * CONFIG.intermediate_size + 2 * CONFIG.hidden_size)
    size += CONFIG.num_layers * CONFIG.hidden_size * 2 * CONFIG.num_kv_heads * CONFIG.head_dim
    tokens = "" if order == "next_token" else TOKENS.format(mask=MASK, order=order)
    if order == "spread":
        tokens += f"window = {WINDOW}\n"
    return TOML.format(size=size / 1e6, order=order.replace("_", " "), tokens=tokens)


def export(run: Path, data: Path, order: str, folder: Path) -> None:
    """Write all that serves the last snapshot of a run into a model's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    state = load_file(loop.newest(run, "model-*.safetensors"))
    halves = {name: part.to(torch.float16) for name, part in state.items()}
    weights = write_transformer(halves, CONFIG, folder)
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"eos_token_id": END}, indent=2) + "\n")
    files = [weights, shutil.copyfile(data / "tokenizer.json", folder / "tokenizer.json")]
    shutil.copyfile(run / "log.jsonl", folder / "training.jsonl")
    write_model_toml(folder, model_toml(order), files)


def main(argv: Sequence[str] | None = None) -> None:
    parser = loop.path_parser(
        __doc__, run="folder of the run", data="folder of its texts", model="folder of the model in the repository"
    )
    parser.add_argument("--order", choices=ORDERS, default="left_to_right", help="that of the run")
    options = parser.parse_args(argv)
    export(options.run, options.data, options.order, options.model)


if __name__ == "__main__":
    main()
