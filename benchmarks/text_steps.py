"""Where text falls apart: what a larger model thinks of texts that were generated several tokens a step.

    python -m benchmarks.text_steps [--models text-forward text-spread] [--texts 32] [--out out]

Each model goes on with the beginnings of texts that were held out from its training (benchmarks/held_texts.txt), for
each number of tokens a step and each temperature with the same seeds. SmolLM2 scores beginning and continuation:
`judged_bits` are bits a byte of the continuation, the generative perplexity of the field (Lou et al. 2024,
arXiv 2310.16834) on a scale that does not depend on tokens; `held`: those of the texts themselves. Lower is not always
better: a text that repeats itself is easily foretold. `sample` is one of the texts. Writes text_steps.json.
"""

from __future__ import annotations

import math
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
from tandem.measure.statistics.intervals import estimate
from tandem.measure.studies.study import ratio_of_sums

HELD = Path(__file__).with_name("held_texts.txt")
COUNTS = (1, 2, 4, 8, 16, 64)
TEMPERATURES = (1.0, 0.7)
NUM_TOKENS = 64
BEGINNING = 100
"""Bytes of a text that are given, up to the end of a word."""
SHOWN = 0
"""Which text is shown."""


def beginnings(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Return each text in two parts, the first of at least BEGINNING characters."""
    found = []
    for text in texts:
        place = text.find(" ", BEGINNING)
        if place > 0:
            found.append((text[:place], text[place:]))
    return found


def judge(client: TandemClient, texts: Sequence[tuple[str, str]]) -> Any:
    """Return the bits a byte of the second parts behind the first ones, with their confidence interval."""
    bits, sizes = [], []
    for given, text in texts:
        tokens, place, found = client.score(given + text, model=JUDGE).tokens, 0, 0.0
        whole = (given + text).encode()
        start, place = len(given.encode()), len(whole) - sum(len(token.token) for token in tokens)
        for token in tokens:
            found -= token.logprob / math.log(2) if place >= start else 0.0
            place += len(token.token)
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
        held = judge(opened[JUDGE], texts)
        points = []
        tasks = [(name, k, heat) for name in models for heat in TEMPERATURES for k in COUNTS]
        for name, tokens_per_step, temperature in track(tasks, description="texts"):
            own = continuations(opened[name], name, texts, tokens_per_step, temperature)
            points.append(
                {
                    "model": name,
                    "tokens_per_step": tokens_per_step,
                    "temperature": temperature,
                    "judged_bits": judge(opened[JUDGE], [pair for pair in own if pair[1]]),
                    "sample": own[SHOWN][1],
                }
            )
    about = {"judge": JUDGE, "num_texts": len(texts), "given": texts[SHOWN][0], "held": held, "points": points}
    return figures.document("text_steps", 1, about=about)


def main() -> None:
    flags = parser(__doc__, out="text_steps")
    flags.add_argument("--models", nargs="*", default=["text-forward", "text-spread"])
    flags.add_argument("--texts", type=int, default=32)
    options = flags.parse_args()
    write(options.out, "text_steps", measure(options.models, options.texts))


if __name__ == "__main__":
    main()
