"""How fast each runtime draws with nothing around it, in each precision and form of the graph, and how well.

    python -m bench.bench_runtimes [--model fashion-gan] [--random] [--rounds 5] [--images 10000] [--out bench/results]

Writes runtimes.json and runtimes.md. With --random, two larger generators of random weights take part as well, of 64x64
and 128x128 pixels in colour. --images 0 leaves the quality out, which takes about five minutes; the speeds take about
two. The machine should have nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.hop.document import surroundings
from bench.runtimes.contenders import BASE, Contender, contenders, generator_of
from bench.runtimes.page import page
from bench.runtimes.quality import FidMeter
from bench.runtimes.random_generators import SHAPES, write_random_generator
from runtime.models import Model, ModelRepository
from services.common.machine import this_machine
from services.common.runtimes.calibration.speed import measure

BATCH_SIZES = (1, 8, 64)
SEEDS = (1, 2, 3)


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


def measured(model: Model, rounds: int, seconds: float, num_images: int) -> dict[str, Any]:
    """Return all figures of one model; its quality where `num_images` is not 0."""
    parts = list(contenders(model, BATCH_SIZES))
    return {
        "base": BASE,
        "images_per_second": speeds(parts, rounds, seconds),
        "num_images": num_images,
        "fids": fids(model, parts, num_images) if num_images else {},
    }


def fids(model: Model, parts: Sequence[Contender], num_images: int) -> dict[str, list[float]]:
    """Return the FID of each contender at each seed."""
    meter, (_, spec) = FidMeter(), generator_of(model)
    return {each.name: [meter.fid(each.generator, spec, seed, num_images) for seed in SEEDS] for each in parts}


def random_models(folder: Path) -> list[Model]:
    for name, shape in SHAPES.items():
        write_random_generator(folder / name, shape)
    return list(ModelRepository(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="fashion-gan", help="a generator of the repository")
    parser.add_argument("--random", action="store_true", help="larger generators too, of random weights")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.7, help="of each run")
    parser.add_argument("--images", type=int, default=10_000, help="for each FID; 0: none")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for runtimes.json and runtimes.md")
    options = parser.parse_args()
    started, around = time.monotonic(), surroundings(None)
    with tempfile.TemporaryDirectory() as folder:
        model = ModelRepository(Path("models")).get(options.model)
        found = {model.name: measured(model, options.rounds, options.seconds, options.images)}
        for each in random_models(Path(folder)) if options.random else []:
            found[each.name] = measured(each, options.rounds, options.seconds, 0)
    results = {
        "bench": "runtimes",
        "surroundings": asdict(around),
        "instruction_set": this_machine().instruction_set,
        "rounds": options.rounds,
        "seconds": round(time.monotonic() - started, 1),
        "models": found,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "runtimes.json").write_text(json.dumps(results, indent=1) + "\n")
    (options.out / "runtimes.md").write_text(page(results))
    sys.stdout.write(page(results))


if __name__ == "__main__":
    main()
