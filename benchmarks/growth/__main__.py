"""How the cost grows: images a second over batch, clients, image size and replicas, beside the generators' bare loops.

    python -m benchmarks.growth [--models fashion-gan random-64 random-128] [--rounds 3] [--seconds 2.5] [--out out]

Writes growth.json and growth.md. Each model is served as it is by default, and opened in this process as the service
opens it; loads and bare loops take turns. The random ones have 13 million parameters and colour.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.growth.workload import BARS, WORKLOADS, measured, served
from benchmarks.harness.command import parser
from benchmarks.harness.figures import Figures, Spreads
from benchmarks.harness.load import SENDER, open_client
from benchmarks.harness.printing import spread_table, write
from benchmarks.harness.servers import ROOT
from benchmarks.harness.surroundings import surroundings
from benchmarks.runtimes.random_generators import SHAPES, write_random_generator
from runtime.models import ModelRepository
from tandem.measure.formats import decimals
from tandem.measure.report.tables.writers import markdown_table


def measure(name: str, rounds: int, seconds: float, figures: Figures) -> None:
    """Measure one model, of the repository or of random weights."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = ROOT / "models"
        if name in SHAPES:
            folder = Path(temporary)
            write_random_generator(folder / name, SHAPES[name])
        with served(ModelRepository(folder).get(name), folder) as it:
            measured(it, open_client(SENDER), WORKLOADS, rounds, seconds, figures)


def page(spreads: Spreads, models: Sequence[str], around: str) -> str:
    """Return the page in Markdown."""
    rates = {name: each for name, each in spreads.items() if not name.endswith(" share")}
    shares = {_with_bar(name): each for name, each in spreads.items() if name.endswith(" share")}
    return (
        f"# How the cost of the parallel service grows\n\n{around}\n\n"
        "Images a second, median (lowest-highest) of the rounds. `bare N`: all instances in a loop with batches of N"
        " and nothing around them; `NxM`: N images a request, M clients, the service with client on the same cores;"
        " `gateway, replicas: R`: the same load through the gateway, in front of R replicas on these cores.\n\n"
        + markdown_table(spread_table(rates, models, decimals(0), figure="images/s"))
        + "\n\nShare of the bare loop of the same round, with the largest batch that the load fills.\n\n"
        + markdown_table(spread_table(shares, models, decimals(2), figure="share"))
        + "\n"
    )


def _with_bar(share: str) -> str:
    bar = BARS.get(share.removesuffix(" share"))
    return share.removesuffix(" share") + (f" (bar {bar})" if bar else "")


def main() -> None:
    flags = parser(__doc__, rounds=3, seconds=2.5, out="growth")
    flags.add_argument("--models", nargs="+", default=["fashion-gan", *SHAPES])
    options = flags.parse_args()
    around, figures = surroundings(), Figures()
    for name in options.models:
        measure(name, options.rounds, options.seconds, figures)
    spreads = figures.spreads()
    results = {"bench": "growth", "surroundings": around, "rounds": options.rounds, "figures": spreads}
    text = f"{around.date}, commit {around.commit}. {around.text}"
    write(options.out, "growth", results, page(spreads, options.models, text))


if __name__ == "__main__":
    main()
