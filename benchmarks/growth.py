"""How the cost grows: images a second over batch, clients, image size and replicas, beside the generators' bare loops.

    python -m benchmarks.growth [--models fashion-gan random-64 random-128] [--rounds 3] [--seconds 2.5] [--out out]

Writes growth.json and growth.md. Each model is served as it is by default, and opened in this process as the service
opens it; loads and bare loops take turns. The random ones have 13 million parameters and colour.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.harness.command import parser
from benchmarks.harness.figures import Figures, Spreads
from benchmarks.harness.load import SENDER, closed_loop, open_client
from benchmarks.harness.messages import SAMPLE
from benchmarks.harness.printing import spread_table, write
from benchmarks.harness.run import Target
from benchmarks.harness.servers import ROOT, gateway, service
from benchmarks.harness.surroundings import surroundings
from benchmarks.parallel.undisturbed import undisturbed
from benchmarks.parallel.workload import Workload
from benchmarks.runtimes.contenders import LARGEST_BATCH, Contender
from benchmarks.runtimes.random_generators import SHAPES, write_random_generator
from services.gan.generators import open_generators, probe
from services.gan.settings import GanSettings
from tandem.gan.v1 import gan_pb2
from tandem.measure.formats import decimals
from tandem.measure.report.tables.writers import markdown_table
from tandem.shared.models import Model, ModelRepository

BARS = {"8x4": 0.95, "64x1": 0.95, "1x8": 0.85}
WORKLOADS = (Workload(1, 1), Workload(1, 8), Workload(1, 64), Workload(8, 4), Workload(64, 1), Workload(64, 4))
BATCHES = (1, 8, 64)
BEHIND = Workload(1, 64)
NUM_REPLICAS = (1, 2)
NUM_SEEDS = 64
SHARE = " share"

Loads = Mapping[str, tuple[Workload, int]]
"""By name: what is asked for, and at which port."""


@contextmanager
def served(model: Model, folder: Path) -> Iterator[Loads]:
    """Run the service with one model of the repository `folder`, alone and in replicas behind gateways."""
    with ExitStack() as stack:
        flags = ("services.gan", model.name, "--models-dir", str(folder))
        ports = [stack.enter_context(service(*flags)).port for _ in range(max(NUM_REPLICAS))]
        loads = {workload.name: (workload, ports[0]) for workload in WORKLOADS}
        for number in NUM_REPLICAS:
            hop = stack.enter_context(gateway("", ROOT, *ports[:number]))
            loads[f"{BEHIND.name}, gateway, replicas: {number}"] = (BEHIND, hop.port)
        yield loads


def opened(model: Model, folder: Path) -> Contender:
    """Return the instances of the model as the service has them."""
    image = model.spec.image
    assert image is not None
    generators = open_generators(
        model, image, GanSettings.model_validate({"models_dir": folder, "models": [model.name]})
    )
    generator, calibrated = generators.instances[0], generators.calibrated
    assert calibrated is not None, "the bare loop is the CPU's"
    sessions = calibrated.sessions[: calibrated.configuration.num_instances]
    return Contender(sessions, generator, generator.feed(probe(image, LARGEST_BATCH)))


def measure(model: Model, folder: Path, rounds: int, seconds: float, figures: Figures) -> None:
    """Add images a second of every load and bare batch, and each load's share of the best batch that it could fill.

    In turns; a bare loop that others disturbed is repeated.
    """
    client, bare = open_client(SENDER), opened(model, folder)

    def rate_of(workload: Workload, port: int) -> float:
        requests = [
            gan_pb2.SampleRequest(model=model.name, count=workload.images, seed=seed).SerializeToString()
            for seed in range(NUM_SEEDS)
        ]
        run = closed_loop(client, Target(port, SAMPLE, requests), workload.clients, seconds)
        run.check_all_ok(f"{model.name}, {workload.shown}")
        return run.per_second * workload.images

    with served(model, folder) as loads:
        for load in loads.values():  # warms up
            rate_of(*load)
        for number in range(rounds):
            rates = {}
            for size in BATCHES:
                found = undisturbed(partial(bare.loop, size, seconds), lambda it: it["others_cores"])
                rates[size] = found["images_per_second"]
                figures.add(f"bare {size}", model.name, rates[size])
            names = list(loads)
            for name in names[number % len(names) :] + names[: number % len(names)]:
                workload, port = loads[name]
                rate = rate_of(workload, port)
                figures.add(name, model.name, rate)
                if name == workload.name:
                    filled = max(size for size in BATCHES if size <= workload.images * workload.clients)
                    figures.add(name + SHARE, model.name, rate / rates[filled])


def page(spreads: Spreads, models: Sequence[str], around: str) -> str:
    """Return the page in Markdown."""
    rates = {name: each for name, each in spreads.items() if not name.endswith(SHARE)}
    bars = {name: f" (bar {BARS[name]})" if name in BARS else "" for name in rates}
    shares = {name + bars[name]: spreads[name + SHARE] for name in rates if name + SHARE in spreads}
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


def main() -> None:
    flags = parser(__doc__, rounds=3, seconds=2.5, out="growth")
    flags.add_argument("--models", nargs="+", default=["fashion-gan", *SHAPES])
    options = flags.parse_args()
    around, figures = surroundings(), Figures()
    for name in options.models:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) if name in SHAPES else ROOT / "models"
            if name in SHAPES:
                write_random_generator(folder / name, SHAPES[name])
            measure(ModelRepository(folder).get(name), folder, options.rounds, options.seconds, figures)
    spreads = figures.spreads()
    results = {"bench": "growth", "surroundings": around, "rounds": options.rounds, "figures": spreads}
    text = f"{around.date}, commit {around.commit}. {around.text}"
    write(options.out, "growth", results, page(spreads, options.models, text))


if __name__ == "__main__":
    main()
