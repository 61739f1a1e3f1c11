"""How fast each runtime draws with nothing around it, in each precision and form of the graph.

    python -m benchmarks.runtimes [--model fashion-gan] [--rounds 5] [--out benchmarks/results]

Writes runtimes.json and runtimes.md. The model's int8 form takes part if it has one. Takes three minutes; the
machine should have nothing else to do. `quality` tells how good the images are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.command import parser
from benchmarks.harness.figures import Figures, Spreads
from benchmarks.harness.printing import spread_table, write
from benchmarks.harness.surroundings import surroundings
from benchmarks.runtimes.contenders import BASE, ways_of
from runtime.models import Model, ModelRepository
from tandem.measure.report.tables.writers import markdown_table
from tandem.measure.statistics.interleaving import turns

BATCH_SIZES = (1, 8, 64)


def speeds(model: Model, rounds: int, seconds: float) -> Spreads:
    """Return images a second of each contender by batch size, and what it is of the base's, all contenders in turn."""
    figures, parts = Figures(), {way.name: way.open() for way in ways_of(model, BATCH_SIZES)}
    orders = turns(list(parts), np.random.default_rng(0))
    for _ in range(rounds):
        for size in BATCH_SIZES:
            found = {name: parts[name].loop(size, seconds)["images_per_second"] for name in next(orders)}
            for name in parts:
                figures.add(name, f"batch {size}", found[name])
                figures.add(name, f"{size}, x", found[name] / found[BASE])
    return figures.spreads()


def page(results: Mapping[str, Any]) -> str:
    """Return the speeds in Markdown."""
    around, columns = results["surroundings"], [name for n in BATCH_SIZES for name in (f"batch {n}", f"{n}, x")]
    tables = [
        f"## {name}\n\n{markdown_table(spread_table(found, columns))}\n"
        for name, found in results["images_per_second"].items()
    ]
    return (
        f"# Runtimes with nothing around them\n\n`python -m benchmarks.runtimes`, {around.date}, commit"
        f" {around.commit}, {results['rounds']} rounds, contenders in turn; median (lowest-highest) of the rounds.\n\n"
        f"{around.text}\n\nImages a second, an instance a core with a thread each, all busy; x: times those of ONNX"
        " Runtime in float32 with the file as it is, in the same round.\n\n" + "\n".join(tables)
    )


def main() -> None:
    flags = parser(__doc__, rounds=5, seconds=0.6, out="runtimes")
    flags.add_argument("--model", default="fashion-gan", help="a generator of the repository")
    options = flags.parse_args()
    around, model = surroundings(), ModelRepository(Path("models")).get(options.model)
    found = {model.name: speeds(model, options.rounds, options.seconds)}
    results = {
        "bench": "runtimes",
        "surroundings": around,
        "rounds": options.rounds,
        "images_per_second": found,
    }
    write(options.out, "runtimes", results, page(results))


if __name__ == "__main__":
    main()
