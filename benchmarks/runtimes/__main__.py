"""How fast each runtime draws with nothing around it, in each precision and form of the graph.

    python -m benchmarks.runtimes [--model fashion-gan] [--random] [--rounds 5] [--out benchmarks/results]

Writes runtimes.json and runtimes.md. The model's int8 form takes part if it has one; with --random, two larger
generators of random weights too, of 64x64 and 128x128 pixels in colour. Takes three minutes, with the flag six; the
machine should have nothing else to do. `quality` tells how good the images are.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.command import parser
from benchmarks.harness.printing import write
from benchmarks.harness.surroundings import surroundings
from benchmarks.runtimes.contenders import BASE, Contender, contenders_of
from benchmarks.runtimes.page import speed_page
from benchmarks.runtimes.random_generators import SHAPES, write_random_generator
from runtime.models import Model, ModelRepository
from services.common.runtimes.calibration.speed import measure

BATCH_SIZES = (1, 8, 64)


def speeds(parts: Sequence[Contender], rounds: int, seconds: float) -> dict[str, dict[int, list[float]]]:
    """Return images a second of each contender by batch size, one entry a round, all contenders in turn."""
    found: dict[str, dict[int, list[float]]] = {each.name: {size: [] for size in BATCH_SIZES} for each in parts}
    for number in range(rounds):
        for size in BATCH_SIZES:
            for each in (*parts[number % len(parts) :], *parts[: number % len(parts)]):
                found[each.name][size].append(_images_per_second(each, size, seconds))
    return found


def _images_per_second(contender: Contender, size: int, seconds: float) -> float:
    feed, output = contender.samples(size), contender.sessions[0].outputs[0].name
    measure(contender.sessions, len(contender.sessions), feed, output, 0.0)  # warms up: each runs once
    return measure(contender.sessions, len(contender.sessions), feed, output, seconds).by_clock


def random_models(folder: Path) -> list[Model]:
    for name, shape in SHAPES.items():
        write_random_generator(folder / name, shape)
    return list(ModelRepository(folder))


def main() -> None:
    flags = parser(__doc__, rounds=5, seconds=0.6, out="runtimes")
    flags.add_argument("--model", default="fashion-gan", help="a generator of the repository")
    flags.add_argument("--random", action="store_true", help="larger generators too, of random weights")
    options = flags.parse_args()
    around, found = surroundings(), {}
    with tempfile.TemporaryDirectory() as folder:
        model = ModelRepository(Path("models")).get(options.model)
        parts = contenders_of(model, BATCH_SIZES)
        found[model.name] = speeds(parts, options.rounds, options.seconds)
        for each in random_models(Path(folder)) if options.random else []:
            found[each.name] = speeds(contenders_of(each, BATCH_SIZES), options.rounds, options.seconds)
    results = {
        "bench": "runtimes",
        "surroundings": around,
        "rounds": options.rounds,
        "base": BASE,
        "images_per_second": found,
    }
    write(options.out, "runtimes", results, speed_page(results))


if __name__ == "__main__":
    main()
