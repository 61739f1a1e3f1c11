"""Where text falls apart: what a larger model thinks of texts that were generated several tokens a step.

    python -m benchmarks.text_steps [--models text-forward text-spread] [--texts 32] [--out out]

Each model goes on with the beginnings of texts that were held out from its training (benchmarks/held_texts.txt), for
each number of tokens a step (K) and each temperature (T) with the same seeds. SmolLM2 scores both together. Figures are
bits a byte of the continuation, with 95 % confidence intervals over the texts: generative perplexity (Lou et al. 2024,
arXiv 2310.16834) on a scale that does not depend on tokens; `held`: those of the texts themselves. Lower is not always
better: a text that repeats itself is easy to predict. `samples` are continuations of the beginning `given`. All of it
is the same in each run. Writes text_steps.json.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.progress import track

from benchmarks.harness.backend import TEXT_MODEL as JUDGE
from benchmarks.harness.command import parser
from benchmarks.harness.figures import Figures
from benchmarks.harness.processes import service
from benchmarks.harness.results import write
from tandem.client import TandemClient
from tandem.measure.results.value import Value
from tandem.measure.statistics.intervals import estimate
from tandem.measure.studies.study import ratio_of_sums

HELD = Path(__file__).with_name("held_texts.txt")
COUNTS = (1, 2, 4, 8, 16, 64)
TEMPERATURES = (1.0, 0.7)
NUM_TOKENS = 64
BEGINNING = 100
"""Characters of a text that are given, at least, up to the end of a word."""


def beginnings(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Return each text in two parts: its beginning, and the rest."""
    places = [text.index(" ", BEGINNING) for text in texts]
    return [(text[:place], text[place:]) for text, place in zip(texts, places, strict=True)]


def judge(client: TandemClient, texts: Sequence[tuple[str, str]]) -> Value:
    """Return the bits a byte of the second parts after the first ones, with their confidence interval."""
    bits, sizes = [], []
    for given, text in texts:
        place, found = 0, 0.0
        tokens = client.score(given + text, model=JUDGE).tokens
        for token in reversed(tokens):
            place += len(token.token)
            found -= token.logprob / math.log(2) if place <= len(text.encode()) else 0.0
        bits.append(found)
        sizes.append(float(len(text.encode())))
    figure = ratio_of_sums(bits, sizes)
    return estimate(figure.of, figure.count, 0.95, figure.spread)


def continuations(
    client: TandemClient, model: str, texts: Sequence[tuple[str, str]], tokens_per_step: int, temperature: float
) -> list[tuple[str, str]]:
    """Return the beginnings, each with what the model makes of it."""
    options: dict[str, Any] = {"tokens_per_step": tokens_per_step, "temperature": temperature}
    found = []
    for seed, (given, _) in enumerate(texts):
        reply = client.complete(given, model=model, seed=seed, max_tokens=NUM_TOKENS, **options)
        found.append((given, reply.choices[0].text))
    return found


def measure(models: Sequence[str], num_texts: int) -> dict[str, Any]:
    figures = Figures()
    texts = beginnings(HELD.read_text().strip().split("\n\n"))[:num_texts]
    with ExitStack() as stack:
        opened = {
            name: stack.enter_context(
                TandemClient(f"127.0.0.1:{stack.enter_context(service('services.ar', name)).port}")
            )
            for name in (JUDGE, *models)
        }
        held, samples = judge(opened[JUDGE], texts), defaultdict[str, dict[str, str]](dict)
        contenders = defaultdict[str, dict[str, Value]](dict)
        tasks = [(name, k, heat) for name in models for heat in TEMPERATURES for k in COUNTS]
        for name, tokens_per_step, temperature in track(tasks, description="texts"):
            own = continuations(opened[name], name, texts, tokens_per_step, temperature)
            figure = f"T = {temperature:g}, K = {tokens_per_step}"
            contenders[name][figure] = judge(opened[JUDGE], [pair for pair in own if pair[1]])
            samples[name][figure] = own[0][1]
    about = {"judge": JUDGE, "num_texts": len(texts), "held": held, "given": texts[0][0]}
    about |= {"contenders": contenders, "samples": samples}
    return figures.document("text_steps", 1, about=about)


def main() -> None:
    flags = parser(__doc__, out="text_steps")
    flags.add_argument("--models", nargs="*", default=["text-forward", "text-spread"])
    flags.add_argument("--texts", type=int, default=32)
    options = flags.parse_args()
    write(options.out, "text_steps", measure(options.models, options.texts))


if __name__ == "__main__":
    main()
