"""Export a trained draft head: `python -m training.draft_head.export`, see --help.

Writes draft_head.safetensors beside a model's weights, names it in model.toml, with its digest, and writes what the log
of the training says of it into draft_head.json.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from safetensors.torch import load_file

from services.ar.model.weights import open_checkpoint
from tandem.shared.models import ModelRepository
from training import loop
from training.draft_head.answers import load_answers
from training.draft_head.train import Recipe, frequent_tokens
from training.model_files import name_file

FILE = "draft_head.safetensors"


def export(run: Path, answers: Path, folder: Path) -> None:
    """Write the last snapshot of a run into a model's folder."""
    weights = loop.newest(run, "head-*.safetensors")
    vocab_size = open_checkpoint(ModelRepository(folder.parent).get(folder.name).transformer_path()).config.vocab_size
    tensors = {name: tensor.numpy().astype(np.float16) for name, tensor in load_file(weights).items()}
    tensors["token_ids"] = frequent_tokens(load_answers(answers).tokens, Recipe.num_tokens, vocab_size)
    save_file(tensors, folder / FILE)
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    measured = [line for line in log if "tokens_a_step" in line]
    (folder / "draft_head.json").write_text(json.dumps(measured, indent=1) + "\n")
    name_file(folder, "draft_head", FILE)


def main(argv: Sequence[str] | None = None) -> None:
    parser = loop.path_parser(__doc__, run="folder of the training run", model="folder of the model in the repository")
    parser.add_argument("--answers", type=Path, help="folder of the answers; default: that of the run")
    options = parser.parse_args(argv)
    export(options.run, options.answers or options.run, options.model)


if __name__ == "__main__":
    main()
