"""Measure which tokens a trained set-autoregressive model should generate together, and write step_costs.json:

    python -m training.set_autoregressive.step_costs --model models/fashion-sar

The loss of each token for each beginning of its group, on images that were held out of the training. From these the
service finds the groups of any number of steps (tandem/shared/step_costs.py). Some minutes on a core.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor

from services.ar.compute.torch.loading import load_transformer
from services.ar.compute.torch.transformer import Transformer
from services.ar.model.weights import open_checkpoint
from tandem.shared.models import Model, ModelRepository
from tandem.shared.step_costs import StepCostsFile
from training import loop
from training.dataset import load
from training.model_files import name_file
from training.set_autoregressive.tokens import token_sequences
from training.set_autoregressive.train import losses

FILE = "step_costs.json"
BATCH_SIZE = 50


@torch.inference_mode()
def measure(model: Transformer, sequences: Tensor) -> StepCostsFile:
    """Return the mean losses of the tokens of sequences [B, 1 + T]."""
    rows, num_tokens = [], sequences.shape[1] - 1
    for start in track(range(num_tokens), "measuring"):
        # Two groups, of which the second is measured; only what comes before a token in its group matters to it.
        starts = torch.zeros(num_tokens, dtype=torch.int64, device=sequences.device)
        starts[start:] = start
        parts = [losses(model, part, starts.expand(len(part), -1)) for part in sequences.split(BATCH_SIZE)]
        nats = torch.cat(parts)[:, num_tokens + start :].double().mean(dim=0)
        rows.append(tuple(round(value / math.log(2), 4) for value in nats.tolist()))
    return StepCostsFile(num_images=len(sequences), bits=tuple(rows))


def write(model: Model, costs: StepCostsFile) -> None:
    """Write step_costs.json and say so in model.toml."""
    rows = ",\n".join(f"  {json.dumps(row)}" for row in costs.bits)
    (model.folder / FILE).write_text(f'{{\n "num_images": {costs.num_images},\n "bits": [\n{rows}\n ]\n}}\n')
    name_file(model.folder, "step_costs", FILE, behind="mask_token")


def main(argv: Sequence[str] | None = None) -> None:
    parser = loop.path_parser(__doc__, model="folder of the model in the repository")
    parser.add_argument("--data", type=Path, help="the images that it was trained on; default: Fashion-MNIST")
    parser.add_argument("--num-images", type=int, default=2_000)
    options = parser.parse_args(argv)
    model = ModelRepository(options.model.parent).get(options.model.name)
    transformer = load_transformer(open_checkpoint(model.transformer_path()), torch.float32, loop.device())
    sequences = token_sequences(model, load(options.data).validation)[: options.num_images].to(loop.device())
    transformer.prepare(sequences.shape[1])
    write(model, measure(transformer, sequences))


if __name__ == "__main__":
    main()
