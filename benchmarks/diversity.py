"""What the diversity watch costs: the parallel backend with it, at its default rate, and without.

    python -m benchmarks.diversity [--rounds 5] [--seconds 2]

Two servers on the same cores take turns under the same closed loop; one image a request with 16 clients, and 64 images
a request with 4. Throughput of a busy machine wavers by more than the watch costs, so the server's CPU seconds are
given as well, and those of a watch alone in this process, which is shown blank images in the same batches: their share
of what the server needs is the steadiest figure. The last line of stdout is JSON.
"""

import argparse
import itertools
import os
import threading
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.harness.clients import SENDER, open_client
from benchmarks.harness.messages import GAN_MODEL
from benchmarks.harness.printing import show
from benchmarks.harness.processes import free_port, serving
from benchmarks.parallel.contenders import Served
from benchmarks.parallel.dialects import TANDEM
from benchmarks.parallel.measuring import Load, load
from benchmarks.parallel.workload import BULK, SOME, Workload
from runtime.metrics import new_registry
from runtime.models import ModelRepository
from services.common.diversity.watch import DiversityWatch
from services.gan.image_model import load_image_model
from services.gan.metrics import GanMetrics
from services.gan.settings import GanSettings
from tandem.measure.formats import number
from tandem.measure.report.tables.table import Row, Table, value_cell
from tandem.measure.results.value import Value
from tandem.measure.statistics.intervals import over_rounds
from tandem.measure.statistics.quantiles import nearest_rank

WORKLOADS = (SOME, BULK)
WARM_UP_SECONDS = 1.0
DEFAULT_EVERY = GanSettings.model_fields["diversity_every"].default
ON, OFF = "on", "off"
ALONE_IMAGES, ALONE_REPEATS, PACE_SECONDS = 12_800, 3, 0.0001
FLAGS: dict[str, tuple[str, ...]] = {ON: (), OFF: ("--diversity-every", "0")}

Loads = dict[tuple[Workload, str], list[Load]]


def measure(rounds: int, seconds: float, console: Console) -> Loads:
    """Let the two take turns, the first one alternating, `rounds` times after a warm-up."""
    loads: Loads = defaultdict(list)
    sender = open_client(SENDER)
    with ExitStack() as stack:
        servers = {}
        for name, flags in FLAGS.items():
            port = free_port()
            words = ("--port", str(port), "--metrics-port", str(free_port()), "--models", GAN_MODEL, *flags)
            process = stack.enter_context(serving("services.gan", *words, port=port))
            servers[name] = Served(port, (process.pid,))
        for number, workload in itertools.product(range(rounds + 1), WORKLOADS):
            for name in (ON, OFF) if number % 2 else (OFF, ON):
                one = load(sender, servers[name], TANDEM, workload, seconds if number else WARM_UP_SECONDS)
                if number:
                    loads[workload, name].append(one)
                    console.print(f"round {number}: {workload.name} watch {name}: {one.images_per_second:.0f} images/s")
    return loads


def watch_alone(repeats: int, batch_size: int) -> list[float]:
    """Return the CPU seconds that the watch takes for 1,000 images, in its thread and its caller's; several times."""
    model = ModelRepository(Path("models")).get(GAN_MODEL)
    watch = load_image_model(model, GanSettings.model_validate({"provider": "cpu"}), GanMetrics(new_registry())).watch
    assert watch is not None
    watch.start()
    [thread] = [each for each in threading.enumerate() if each.name.startswith("diversity")]
    clock = time.pthread_getcpuclockid(thread.ident or 0)
    seconds = [_cpu_seconds(watch, batch_size, clock, seed) for seed in range(repeats + 1)]
    watch.stop()
    return seconds[1:]


def _cpu_seconds(watch: DiversityWatch, batch_size: int, clock: int, seed: int) -> float:
    images, labels = np.zeros((batch_size, 28, 28, 1), np.float32), np.arange(batch_size) % 10
    before, shown_seconds = time.clock_gettime(clock), 0.0
    for index in range(0, ALONE_IMAGES, batch_size):
        started = time.thread_time()
        watch.saw(images, labels, seed, index)
        shown_seconds += time.thread_time() - started
        time.sleep(batch_size * PACE_SECONDS)  # slower than the watch, so that it lets no image go
    return 1000 * (time.clock_gettime(clock) - before + shown_seconds) / ALONE_IMAGES


def report(loads: Loads, workload: Workload) -> dict[str, Value]:
    """Return the figures of one workload; the ratios are those of each round."""
    on, off = loads[workload, ON], loads[workload, OFF]
    alone = watch_alone(ALONE_REPEATS, workload.images)
    needed = nearest_rank([_cpu(workload, one) for one in off], 0.5)
    pairs = list(zip(on, off, strict=True))
    return {
        "images_per_second": over_rounds([one.images_per_second for one in on]),
        "unwatched_images_per_second": over_rounds([one.images_per_second for one in off]),
        "throughput_ratio": over_rounds([a.images_per_second / b.images_per_second for a, b in pairs]),
        "cpu_seconds_per_1000_images": over_rounds([_cpu(workload, one) for one in on]),
        "unwatched_cpu_seconds_per_1000_images": over_rounds([_cpu(workload, one) for one in off]),
        "cpu_ratio": over_rounds([a.cpu_ms / b.cpu_ms for a, b in pairs]),
        "watch_cpu_seconds_per_1000_images": over_rounds(alone),
        "watch_cpu_share": over_rounds([one / needed for one in alone]),
    }


def _cpu(workload: Workload, one: Load) -> float:
    """Return the CPU seconds of 1,000 images, which are the milliseconds of one."""
    return one.cpu_ms / workload.images


def table_of(reports: dict[str, dict[str, Value]]) -> Table:
    names = ("images_per_second", "throughput_ratio", "cpu_seconds_per_1000_images", "cpu_ratio", "watch_cpu_share")
    rows = [Row((workload, *(value_cell(each[name], number) for name in names))) for workload, each in reports.items()]
    heads = ("images x clients", "images/s", "ratio", "CPU s/1000", "ratio", "the watch's share")
    return Table(heads, rows, f"{GAN_MODEL}, one image in {DEFAULT_EVERY} watched; ratios are watched to not")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds; one more warms up")
    parser.add_argument("--seconds", type=float, default=2.0, help="duration of each run")
    options = parser.parse_args()
    loads = measure(options.rounds, options.seconds, Console(stderr=True))
    reports = {workload.name: report(loads, workload) for workload in WORKLOADS}
    results = {"benchmark": "diversity", "every": DEFAULT_EVERY, "cores": os.cpu_count(), "workloads": reports}
    show(table_of(reports), results)


if __name__ == "__main__":
    main()
