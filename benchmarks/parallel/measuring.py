"""One load against one contender: what its clients see, and what it costs the servers and the client."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache

from benchmarks.harness.cpu import cpu, machine_cpu, settled_cpu
from benchmarks.harness.load import Client, closed_loop
from benchmarks.harness.run import Target
from benchmarks.harness.servers import Service
from benchmarks.parallel.dialects import Dialect
from benchmarks.parallel.workload import Workload

# Each request has another seed until so many images were asked for; then the seeds come round again.
_NUM_IMAGES = 4096
_LONGEST_SETTLING_SECONDS = 1.0


def load(client: Client, served: Service, dialect: Dialect, workload: Workload, seconds: float) -> dict[str, float]:
    """Run the load for so long, and return its figures. Raises LoadFailed if a request did not end OK.

    CPU is user and system time of all processes, for a request. `others_cores` is what neither the servers nor the
    client used.
    """
    target = Target(served.port, dialect.path, _requests(dialect, workload.images))
    started, machine = time.monotonic(), machine_cpu()
    before = sum(cpu(pid).total for pid in served.pids)
    run = closed_loop(client, target, workload.clients, seconds)
    used = sum(settled_cpu(pid, longest_seconds=_LONGEST_SETTLING_SECONDS).total for pid in served.pids) - before
    others = machine_cpu() - machine - used - run.cpu_seconds
    elapsed = time.monotonic() - started
    run.check_all_ok(workload.shown)
    return {
        "images_per_second": run.per_second * workload.images,
        "p50_ms": run.quantile(0.5) * 1e3,
        "p99_ms": run.quantile(0.99) * 1e3,
        "cpu_ms": used / run.num_ok * 1e3,
        "client_cpu_ms": run.cpu_seconds / run.num_ok * 1e3,
        "client_cores": run.cpu_seconds * run.per_second / run.num_ok,
        "others_cores": max(others / elapsed, 0.0),
    }


@cache
def _requests(dialect: Dialect, num_images: int) -> Sequence[bytes]:
    return [dialect.seeded(num_images, seed) for seed in range(_NUM_IMAGES // num_images)]
