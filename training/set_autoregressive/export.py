"""Export a trained set-autoregressive image model: `python -m training.set_autoregressive.export`, see --help.

Writes what serves: config.json and model.safetensors under Hugging Face's names (a Llama), the token networks of the
model whose tokens it has learnt, unchanged, and the digests in model.toml.
"""

import argparse
import json
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from runtime.models import Model, ModelError, ModelRepository
from training import loop
from training.onnx_files import record_digests
from training.set_autoregressive.train import CONFIG
from training.transformer.export import huggingface_config, huggingface_tensors


def export(run: Path, tokenizer: Model, folder: Path) -> None:
    """Write all that serves the newest snapshot of a run into a model's folder."""
    state = load_file(loop.newest(run, "model-*.safetensors"))
    save_file(huggingface_tensors(state, CONFIG), folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(huggingface_config(CONFIG), indent=2) + "\n")
    record_digests(folder / "model.toml", [folder / "model.safetensors", *copied(tokenizer, folder)])


def copied(tokenizer: Model, folder: Path) -> list[Path]:
    """Copy both token networks of a model into `folder`; return the copies."""
    tokens = tokenizer.spec.image_tokens
    if tokens is None or tokens.encoder is None:
        raise ModelError(f"{tokenizer.name}: has no token encoder and decoder")
    return [shutil.copyfile(tokenizer.path(file), folder / file) for file in (tokens.encoder, tokens.decoder)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder of the training run")
    parser.add_argument("--tokenizer", default="fashion-ar", help="released model whose token networks are copied")
    parser.add_argument("--model", type=Path, required=True, help="folder of the model in the repository")
    options = parser.parse_args()
    export(options.run, ModelRepository(options.model.parent).get(options.tokenizer), options.model)


if __name__ == "__main__":
    main()
