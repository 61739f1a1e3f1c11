"""What low-bit weights cost in quality: perplexity of held text, ours and llama.cpp's, against bfloat16 transformers.

    python -m benchmarks.perplexity [--dtypes auto] [--peers llama-q8_0 llama-q4_1] [--windows 197] [--out out]

All score the same tokens, given as ids, as llama-perplexity counts: the text is cut into windows of 512 tokens, and of
each the second half is scored, so that every scored token has at least 257 before it. llama.cpp's release library in
this process, ours by `Score`. Writes text_perplexity.json; `nats_more` a token than the reference, `nats_error` is the
standard error of that.
"""

import argparse
import math
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.progress import track

from benchmarks.harness.backend import TEXT_MODEL as MODEL
from benchmarks.harness.command import parser
from benchmarks.harness.figures import Figures
from benchmarks.harness.processes import free_port, running
from benchmarks.harness.results import write
from benchmarks.peers.engines import Need, tandem
from benchmarks.peers.llama_cpp_server import install, libraries, load
from benchmarks.peers.weights import describe_weights, quantise, shipped_weights
from benchmarks.side_by_side.held_text import fetch
from benchmarks.side_by_side.output_check import load_dense, tokenizer_of
from tandem.client import TandemClient

WINDOW_TOKENS = 512
FIRST_SCORED = WINDOW_TOKENS // 2 + 1  # place of the first token whose probability counts
REFERENCE = "transformers bfloat16"
LLAMA_CPP = {"llama-q8_0": "Q8_0", "llama-q4_1": "Q4_1"}
WINDOWS_AT_A_TIME = 4

Windows = list[list[int]]
Losses = list[float]  # mean -ln p of a window's scored tokens, window by window


def windows(ids: Sequence[int], count: int) -> Windows:
    """Return the first `count` windows of a text. Raises ValueError if it is too short."""
    if count * WINDOW_TOKENS > len(ids):
        raise ValueError(f"windows: {count} of {WINDOW_TOKENS} tokens; the text has {len(ids)} tokens")
    return [list(ids[start : start + WINDOW_TOKENS]) for start in range(0, count * WINDOW_TOKENS, WINDOW_TOKENS)]


def loss_of(logprobs: Sequence[float]) -> float:
    """Return a window's loss from the log-probabilities of every token but its first."""
    if len(logprobs) != WINDOW_TOKENS - 1:
        raise ValueError(f"logprobs: {len(logprobs)}, must be {WINDOW_TOKENS - 1}")
    return -statistics.fmean(logprobs[FIRST_SCORED - 1 :])


def loss_of_logits(logits: torch.Tensor, ids: torch.Tensor) -> float:
    logprobs = torch.log_softmax(logits[:-1].float(), dim=-1)
    return loss_of(logprobs.gather(1, ids[1:, None])[:, 0].double().tolist())


def compare(losses: Losses, reference: Losses) -> dict[str, float]:
    """Return an engine's perplexity beside the reference's, window by window."""
    more = [own - other for own, other in zip(losses, reference, strict=True)]
    return {
        "perplexity": round(math.exp(statistics.fmean(losses)), 4),
        "ratio": round(math.exp(statistics.fmean(more)), 5),
        "nats_more": round(statistics.fmean(more), 5),
        "nats_error": round(statistics.stdev(more) / math.sqrt(len(more)), 5),
    }


@torch.inference_mode()
def by_transformers(gguf: Path, dtype: str, texts: Windows) -> Losses:
    model = load_dense(gguf, dtype)
    losses: Losses = []
    for start in track(range(0, len(texts), WINDOWS_AT_A_TIME), description=f"transformers {dtype}"):
        ids = torch.tensor(texts[start : start + WINDOWS_AT_A_TIME])
        losses += map(loss_of_logits, model(ids).logits, ids)
    return losses


def by_ours(dtype: str, texts: Windows) -> Losses:
    """Score through a server of its own. Raises RuntimeError if it does not start."""
    engine, port, losses = tandem(MODEL, dtype), free_port(), []
    with (
        running(engine.command(Need(WINDOWS_AT_A_TIME, WINDOW_TOKENS), port), lambda: engine.is_ready(port)),
        TandemClient(f"127.0.0.1:{port}") as client,
    ):
        for start in track(range(0, len(texts), WINDOWS_AT_A_TIME), description=engine.name):
            scores = client.score_many(texts[start : start + WINDOWS_AT_A_TIME], model=MODEL)
            losses += [loss_of([token.logprob for token in score.tokens]) for score in scores]
    return losses


def by_llama_cpp(cache: Path, precision: str, texts: Windows) -> Losses:
    """Score with llama.cpp's library, each window in an empty sequence. Raises CannotSetUp."""
    install(cache)
    context = load(libraries(cache), quantise(cache, precision), 1, WINDOW_TOKENS)
    watched = track(texts, description=f"llama.cpp {precision}")
    return [loss_of_logits(torch.from_numpy(context.all_logits(ids)), torch.tensor(ids)) for ids in watched]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    figures, gguf = Figures(), shipped_weights()
    text = fetch(options.cache, tokenizer_of(gguf))
    texts = windows(text.ids, options.windows)
    reference = by_transformers(gguf, "bfloat16", texts)
    scorers: dict[str, Callable[[], Losses]] = {}
    for name in options.peers:
        precision = LLAMA_CPP[name]
        scorers[f"llama.cpp {precision}"] = partial(by_llama_cpp, options.cache, precision, texts)
    scorers |= {f"Tandem {dtype}": partial(by_ours, dtype, texts) for dtype in options.dtypes}
    engines = {REFERENCE: compare(reference, reference)}
    for name, score in scorers.items():
        if (losses := figures.attempt(name, score)) is not None:
            engines[name] = compare(losses, reference)
    about = {
        **describe_weights(gguf),
        "text": text.about,
        "num_windows": options.windows,
        "num_scored_tokens": options.windows * (WINDOW_TOKENS - FIRST_SCORED),
        "engines": engines,
    }
    return figures.document("text_perplexity", 1, about=about)


def main() -> None:
    flags = parser(__doc__, out="text_perplexity", has_peers=True)
    flags.add_argument("--peers", nargs="*", choices=LLAMA_CPP, default=list(LLAMA_CPP))
    flags.add_argument("--dtypes", nargs="*", default=["auto"], help="ours; default: auto")
    flags.add_argument("--windows", type=int, default=197)
    options = flags.parse_args()
    write(options.out, "text_perplexity", measure(options))


if __name__ == "__main__":
    main()
