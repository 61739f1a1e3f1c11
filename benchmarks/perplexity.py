"""What low-bit weights cost in quality: perplexity of held text, ours and llama.cpp's, against bfloat16 transformers.

    python -m benchmarks.perplexity [--dtypes auto] [--peers llama-q8_0,llama-q4_1] [--windows 197] [--out out]

All score the same 50,235 tokens, given as ids: of 197 windows of 512 tokens the second half each. llama.cpp's release
library in this process, ours by `Score`. Writes text_perplexity.json and text_perplexity.md.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from tokenizers import Tokenizer

from benchmarks.harness.command import parser, some_of
from benchmarks.harness.kernel import TEXT_MODEL as MODEL
from benchmarks.harness.printing import table_of, write
from benchmarks.harness.processes import free_port, running
from benchmarks.harness.surroundings import surroundings, without_places
from benchmarks.peers.engine import Need
from benchmarks.peers.engines import write_weights
from benchmarks.peers.installing import CannotSetUp
from benchmarks.peers.llama_cpp_server import install, load
from benchmarks.peers.weights import load_dense
from benchmarks.side_by_side import perplexity
from benchmarks.side_by_side.held_text import PACKAGE, fetch
from benchmarks.side_by_side.perplexity import SCORED_TOKENS, WINDOW_TOKENS, Losses
from benchmarks.side_by_side.tandem_engine import tandem
from tandem.client import TandemClient, TandemRpcError
from tandem.shared.file_hashes import sha256_of
from tandem.shared.models import ModelRepository

REFERENCE = "transformers bfloat16"
LLAMA_CPP = ("llama-q8_0", "llama-q4_1")
WINDOWS_AT_A_TIME = 4

Windows = list[list[int]]


@torch.inference_mode()
def by_transformers(gguf: Path, dtype: str, texts: Windows) -> Losses:
    model = load_dense(gguf, dtype)
    losses: Losses = []
    for start in track(range(0, len(texts), WINDOWS_AT_A_TIME), description=f"transformers {dtype}"):
        ids = torch.tensor(texts[start : start + WINDOWS_AT_A_TIME])
        losses += map(_loss, model(ids).logits, ids)
    return losses


def _loss(logits: torch.Tensor, ids: torch.Tensor) -> float:
    logprobs = torch.log_softmax(logits[:-1].float(), dim=-1)
    return perplexity.loss(logprobs.gather(1, ids[1:, None])[:, 0].double().tolist())


def by_ours(dtype: str, texts: Windows) -> Losses:
    """Score through a server of its own. Raises RuntimeError if it does not start."""
    engine, port, losses = tandem(MODEL, dtype), free_port(), []
    with (
        running(engine.command(Need(WINDOWS_AT_A_TIME, WINDOW_TOKENS), port), lambda: engine.is_ready(port)),
        TandemClient(f"127.0.0.1:{port}") as client,
    ):
        for start in track(range(0, len(texts), WINDOWS_AT_A_TIME), description=engine.name):
            scores = client.score_many(texts[start : start + WINDOWS_AT_A_TIME], model=MODEL)
            losses += [perplexity.loss([token.logprob for token in score.tokens]) for score in scores]
    return losses


def by_llama_cpp(cache: Path, weights: Path, texts: Windows) -> Losses:
    """Score with llama.cpp's library, each window in an empty sequence. Raises CannotSetUp."""
    context = load(install(cache), weights, 1, WINDOW_TOKENS)
    watched = track(texts, description=f"llama.cpp on {weights.name}")
    return [_loss(torch.from_numpy(context.all_logits(ids)), torch.tensor(ids)) for ids in watched]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    gguf = ModelRepository(Path("models")).get(MODEL).transformer_path()
    weights = write_weights(options.cache, gguf)
    text = fetch(options.cache, Tokenizer.from_file(str(weights / "huggingface/tokenizer.json")))
    texts = perplexity.windows(text.ids, options.windows)
    reference = by_transformers(gguf, "bfloat16", texts)
    scorers: dict[str, Callable[[], Losses]] = {}
    for name, file in (("llama-q8_0", weights / "q8_0.gguf"), ("llama-q4_1", gguf)):
        if name in options.peers:
            label = f"llama.cpp {name.removeprefix('llama-').upper()}"
            scorers[label] = partial(by_llama_cpp, options.cache, file, texts)
    for dtype in options.dtypes:
        scorers[f"Tandem {dtype}"] = partial(by_ours, dtype, texts)
    found, left_out = {REFERENCE: perplexity.compare(reference, reference)}, {}
    for name, score in scorers.items():
        try:
            found[name] = perplexity.compare(score(), reference)
        except (CannotSetUp, RuntimeError, TandemRpcError) as error:
            left_out[name] = without_places(str(error))
            print(f"left out: {name}: {error}", file=sys.stderr)
    return {
        "benchmark": "text_perplexity",
        "model": MODEL,
        "weights_sha256": sha256_of(gguf),
        "text": {"package": PACKAGE, "sha256": text.sha256},
        "num_windows": options.windows,
        "num_scored_tokens": options.windows * SCORED_TOKENS,
        "surroundings": surroundings(),
        "left_out": left_out,
        "engines": found,
    }


def page(report: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    rows = [
        (
            name,
            f"{one['perplexity']:.3f}",
            f"{one['ratio']:.4f}",
            f"{one['nats_more']:+.4f} ± {2 * one['nats_error']:.4f}",
        )
        for name, one in report["engines"].items()
    ]
    header = ("engine", "perplexity", "to the reference's", "nats a token more (± 2 standard errors)")
    about = (
        f"{report['model']}, {report['num_scored_tokens']:,} tokens of {PACKAGE} (SHA-256 of the text"
        f" {report['text']['sha256'][:16]}…), reference: {REFERENCE}. Written by `benchmarks/perplexity.py`."
    )
    return f"# Perplexity of held text\n\n{about}\n\n{table_of(header, rows)}\n"


def main() -> None:
    flags = parser(__doc__, out="text_perplexity", has_peers=True)
    flags.add_argument("--peers", type=some_of(LLAMA_CPP), default=list(LLAMA_CPP), help="default: both")
    flags.add_argument("--dtypes", type=some_of(None), default=["auto"], help="ours; default: auto")
    flags.add_argument("--windows", type=int, default=197)
    options = flags.parse_args()
    report = measure(options)
    write(options.out, "text_perplexity", report, page(report))


if __name__ == "__main__":
    main()
