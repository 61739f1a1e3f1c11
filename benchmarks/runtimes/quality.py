"""How good the images are that each runtime draws, beside those that ONNX Runtime draws of the file in float32.

    python -m benchmarks.runtimes.quality [--model fashion-gan] [--images 10000] [--out benchmarks/results]

Writes runtime_quality.json and runtime_quality.md: the FID of each at three seeds, by the judge, and its ratio to that
of the file in float32 at the same seed. The model's int8 form takes part if it has one. Takes about five minutes.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.harness.command import parser
from benchmarks.harness.printing import write
from benchmarks.harness.surroundings import surroundings
from benchmarks.runtimes.contenders import BASE, LARGEST_BATCH, ways_of
from benchmarks.runtimes.page import quality_page
from runtime.models import Model, ModelRepository
from tandem.measure.quality.quantisation.fid import FidMeter
from tandem.measure.quality.quantisation.quantisation import generator_of

SEEDS = (1, 2, 3)


def fids(model: Model, num_images: int) -> dict[str, list[float]]:
    """Return the FID of each contender at each seed."""
    meter, (_, spec) = FidMeter(), generator_of(model)
    # What the file's graph and the rewritten one draw differs in the seventh digit: the base and the rewritten will do.
    ways = [each for each in ways_of(model, (LARGEST_BATCH,)) if each.name == BASE or "rewritten" in each.name]
    parts = {each.name: each.open().generator for each in ways}
    return {name: [meter.fid(each, spec, seed, num_images) for seed in SEEDS] for name, each in parts.items()}


def main() -> None:
    flags = parser(__doc__, out="runtime_quality")
    flags.add_argument("--model", default="fashion-gan", help="a generator of the repository")
    flags.add_argument("--images", type=int, default=10_000, help="for each FID, as many of each class")
    options = flags.parse_args()
    around, model = surroundings(), ModelRepository(Path("models")).get(options.model)
    results = {
        "bench": "runtime_quality",
        "surroundings": around,
        "model": model.name,
        "base": BASE,
        "num_images": options.images,
        "fids": fids(model, options.images),
    }
    write(options.out, "runtime_quality", results, quality_page(results))


if __name__ == "__main__":
    main()
