"""How the cost grows: images a second over batch, callers, image size and replicas, beside the generators' bare loops.

    python -m benchmarks.growth [--models fashion-gan random-64 random-128] [--rounds 3] [--seconds 2.5] [--out out]

Writes growth.json. Each model is served as it is by default, and opened in this process as the service opens it; loads
and bare loops take turns. `bare N`: all instances in a loop with batches of N and nothing around them; `NxM`: N images
a request, M callers. The random models have 13 million parameters and colour.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.harness.command import parser
from benchmarks.harness.figures import Figures
from benchmarks.harness.generators import SHAPES, open_bare_loop, write_random_generator
from benchmarks.harness.load import LoadTester, open_tester
from benchmarks.harness.processes import ROOT, gateway, service
from benchmarks.harness.results import write
from tandem.measure.scenario import ClosedLoop
from tandem.measure.workload_text import parse_workload
from tandem.shared.models import Model, ModelRepository

LOADS = ((1, 1), (1, 8), (1, 64), (8, 4), (64, 1), (64, 4))
"""Images a request, and callers."""
BEHIND = (1, 64)
"""What is sent through the gateway, too."""
BATCHES = (1, 8, 64)
NUM_REPLICAS = (1, 2)
MODELS = ("fashion-gan", *SHAPES)

Targets = Mapping[str, tuple[tuple[int, int], LoadTester]]
"""By name: a load, and who sends it where."""


@contextmanager
def serve_targets(model: Model, folder: Path, figures: Figures) -> Iterator[Targets]:
    """Run the service with one model of the repository `folder`, alone and in replicas behind gateways."""
    with ExitStack() as stack:
        flags = ("services.gan", model.name, "--models-dir", str(folder))
        ports = [stack.enter_context(service(*flags)).port for _ in range(max(NUM_REPLICAS))]
        alone = stack.enter_context(open_tester(ports[0], figures.audited_runs))
        targets = {f"{images}x{callers}": ((images, callers), alone) for images, callers in LOADS}
        for number in NUM_REPLICAS:
            hop = stack.enter_context(gateway(*ports[:number]))
            tester = stack.enter_context(open_tester(hop.port, figures.audited_runs))
            targets["{}x{}, gateway, replicas: {}".format(*BEHIND, number)] = (BEHIND, tester)
        yield targets


def measure(model: Model, folder: Path, rounds: int, seconds: float, figures: Figures) -> None:
    """Add images a second of every load and bare batch, in turns."""
    bare = open_bare_loop(model, folder)

    def of_load(name: str, load: tuple[int, int], tester: LoadTester) -> float:
        workload, many = parse_workload(f"images,images={load[0]}", model=model.name), ClosedLoop(concurrency=load[1])
        turn, warm_up = f"{model.name}, {name}", seconds / 2
        run = tester.run(turn, workload, many, duration_seconds=seconds, warm_up_seconds=warm_up)
        return run.measured.rates.outputs

    with serve_targets(model, folder, figures) as targets:
        names = list(targets)
        for number in range(rounds):
            for size in BATCHES:
                figures.add(f"bare {size}", model.name, bare.run(size, seconds)["images_per_second"])
            for name in names[number % len(names) :] + names[: number % len(names)]:
                figures.add(name, model.name, of_load(name, *targets[name]))


def main() -> None:
    flags = parser(__doc__, rounds=3, seconds=2.5, out="growth")
    flags.add_argument("--models", nargs="*", choices=MODELS, default=MODELS)
    options = flags.parse_args()
    figures = Figures()
    for name in options.models:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) if name in SHAPES else ROOT / "models"
            if name in SHAPES:
                write_random_generator(folder / name, SHAPES[name])
            model = ModelRepository(folder).get(name)
            figures.attempt(name, partial(measure, model, folder, options.rounds, options.seconds, figures))
    write(options.out, "growth", figures.document("growth", options.rounds))


if __name__ == "__main__":
    main()
