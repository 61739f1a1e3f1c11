"""Measure trained text models on held-out texts: `python -m training.text.measure`, see --help.

Exact bits a character of continuations after prompts of 64 tokens, for several numbers of tokens a step, and what more
tokens a step cost over one: the mean over windows, with its standard error. Windows are the same for all runs.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from services.ar.compute.torch.transformer import Transformer
from training import loop
from training.text.texts import END, WINDOW, open_texts
from training.text.train import CONFIG, ORDERS, held_out_windows, token_bits
from training.transformer.export import load_trained

COUNTS = (1, 2, 3, 4, 8, 16, 32, 64)


def load_run(run: Path) -> tuple[Transformer, str, int]:
    """Return the model of a run's last snapshot, its order and its step."""
    path = loop.newest(run, "model-*.safetensors")
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    return load_trained(load_file(path), CONFIG).to(loop.device()), state["recipe"]["order"], state["step_index"]


def num_characters(tokenizer: Tokenizer, texts: Tensor, starts: Tensor) -> Tensor:
    """Return how many characters [B] the continuations have; END counts as one."""
    pieces = [texts[start : start + WINDOW].tolist() for start in starts.tolist()]
    ends = torch.tensor([piece.count(END) for piece in pieces])
    # A character that is cut counts where most of it is: a window has about 200, so that hardly matters.
    return torch.tensor([len(tokenizer.decode(piece)) for piece in pieces]) + ends


def mean_and_error(values: Tensor, weights: Tensor) -> dict[str, float]:
    """Return the sum of values over the sum of weights, and the standard error of that ratio."""
    mean = float(values.sum() / weights.sum())
    spread = (values - mean * weights).square().sum().sqrt() / weights.sum()
    return {"bits_per_character": round(mean, 4), "error": round(float(spread), 4)}


def measure(run: Path, texts: Tensor, starts: Tensor, characters: Tensor) -> dict[str, object]:
    """Return what a run's model is worth for each number of tokens a step."""
    model, order, step = load_run(run)
    bits = {k: token_bits(model, texts, starts, order, k).sum(dim=1) for k in COUNTS if order in ORDERS[:2] or k == 1}
    found = {k: mean_and_error(each, characters) for k, each in bits.items()}
    cost = {k: mean_and_error(each - bits[1], characters) for k, each in bits.items() if k > 1}
    return {"run": run.name, "order": order, "steps": step, "tokens_per_step": found, "over_one": cost}


def main(argv: Sequence[str] | None = None) -> None:
    parser = loop.path_parser(__doc__, data="folder of the texts", out="JSON file for what is found")
    parser.add_argument("runs", type=Path, nargs="+", help="folders of trainings")
    parser.add_argument("--windows", type=int, default=400)
    options = parser.parse_args(argv)
    texts = open_texts(options.data, None)
    starts = held_out_windows(texts.held_out, options.windows)
    characters = num_characters(texts.tokenizer, texts.held_out, starts)
    tokens = {"windows": len(starts), "characters_per_token": float(characters.sum()) / len(starts) / WINDOW}
    results = [measure(run, texts.held_out, starts, characters) for run in options.runs]
    options.out.write_text(
        json.dumps({**tokens, "uniform_bits": math.log2(CONFIG.vocab_size), "runs": results}, indent=1)
    )
    print(options.out.read_text())


if __name__ == "__main__":
    main()
