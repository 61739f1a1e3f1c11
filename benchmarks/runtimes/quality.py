"""How good the images are that each runtime draws, beside those that ONNX Runtime draws of the file in float32.

    python -m benchmarks.runtimes.quality [--model fashion-gan] [--images 10000] [--out benchmarks/results]

Writes runtime_quality.json and runtime_quality.md: the FID of each at three seeds, by the judge, and its ratio to that
of the file in float32 at the same seed. The model's int8 form takes part if it has one. Takes about five minutes.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.harness.command import parser
from benchmarks.harness.figures import Figures, Spreads
from benchmarks.harness.printing import spread_table, write
from benchmarks.harness.surroundings import surroundings
from benchmarks.runtimes.contenders import BASE, LARGEST_BATCH, ways_of
from runtime.models import Model, ModelRepository
from tandem.measure.formats import decimals
from tandem.measure.quality.quantisation.fid import FidMeter
from tandem.measure.quality.quantisation.quantisation import generator_of
from tandem.measure.report.tables.writers import markdown_table

SEEDS = (1, 2, 3)
RATIO = "ratio to the file in float32"


def fids(model: Model, num_images: int) -> Spreads:
    """Return the FID of each contender at each seed, and its ratio to the base's at the same one."""
    figures, meter, (_, spec) = Figures(), FidMeter(), generator_of(model)
    # What the file's graph and the rewritten one draw differs in the seventh digit: the base and the rewritten will do.
    ways = [each for each in ways_of(model, (LARGEST_BATCH,)) if each.name == BASE or "rewritten" in each.name]
    parts = {each.name: each.open().generator for each in ways}
    for seed in SEEDS:
        found = {name: meter.fid(each, spec, seed, num_images) for name, each in parts.items()}
        for name, fid in found.items():
            figures.add(name, f"FID, seed {seed}", fid)
            figures.add(name, RATIO, fid / found[BASE])
    return figures.spreads()


def main() -> None:
    flags = parser(__doc__, out="runtime_quality")
    flags.add_argument("--model", default="fashion-gan", help="a generator of the repository")
    flags.add_argument("--images", type=int, default=10_000, help="for each FID, as many of each class")
    options = flags.parse_args()
    around, model = surroundings(), ModelRepository(Path("models")).get(options.model)
    found = fids(model, options.images)
    table = spread_table(found, [*(f"FID, seed {seed}" for seed in SEEDS), RATIO], decimals(4))
    page = (
        f"# How good the images are that each runtime draws\n\n`python -m benchmarks.runtimes.quality`, {around.date},"
        f" commit {around.commit}, {options.images:,} images a seed.\n\n{around.text}\n\n## {model.name}\n\n"
        f"{markdown_table(table)}\n"
    )
    results = {"bench": "runtime_quality", "surroundings": around, "model": model.name, "fids": found}
    write(options.out, "runtime_quality", {**results, "num_images": options.images}, page)


if __name__ == "__main__":
    main()
