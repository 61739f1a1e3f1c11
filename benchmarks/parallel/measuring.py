"""One contender that runs: whether it draws the right images, and what a load comes to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.harness.cpu import cpu, settled_cpu
from benchmarks.harness.load import LoadFailed, Run, open_tester
from benchmarks.harness.processes import Service
from benchmarks.parallel import wrk
from benchmarks.parallel.bars import CPU, P50, RATE, WORKLOADS
from benchmarks.parallel.contenders import Contender
from benchmarks.parallel.dialects import Dialect, drawn_latents, seeded_requests
from benchmarks.peers.gan.generator import Generator, Levels
from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.scenario import ClosedLoop, Workload

NUM_CHECKED = 64
_CHECK_CALLERS = (1, 16)
_LONGEST_SECONDS = 30.0
# Of 255. Bfloat16 is off by less than a level on average, int8 by some; other images by tens of them.
_TOLERATED_MEAN_LEVELS = 6.0
_SETTLING_SECONDS = 1.0


def expected_levels(generator: Path) -> Levels:
    """Return what ONNX Runtime in float32 draws of the latents of the checked requests, of one image each."""
    drawn = [drawn_latents(1, seed) for seed in range(NUM_CHECKED)]
    latents, labels = (np.concatenate(arrays) for arrays in zip(*drawn, strict=True))
    return Generator(generator).draw(latents, labels).reshape(NUM_CHECKED, -1)


def check(served: Service, dialect: Dialect, expected: Levels) -> float:
    """Return by how many levels the images of given latents are off, alone and beside others; the worst one's mean.

    Raises LoadFailed if they are others.
    """
    requests, off = [dialect.explicit(*drawn_latents(1, seed)) for seed in range(NUM_CHECKED)], 0.0
    ask = partial(dialect.ask, served.port, timeout=_LONGEST_SECONDS)
    for callers in _CHECK_CALLERS:
        with ThreadPoolExecutor(callers) as pool:
            images = np.concatenate(list(map(dialect.levels, pool.map(ask, requests))))
        off = max(off, levels_off(images, expected))
    return off


def levels_off(images: Levels, expected: Levels) -> float:
    """Return by how many levels the worst image is off, on average. Raises LoadFailed if it is another one."""
    if images.shape != expected.shape:
        raise LoadFailed(f"images {list(images.shape)} came back where {list(expected.shape)} were asked for")
    off = float(np.abs(images.astype(np.int16) - expected).mean(axis=1).max())
    if off > _TOLERATED_MEAN_LEVELS:
        raise LoadFailed(f"other images came back: off by {off:.1f} levels on average")
    return off


def measure_loads(
    contender: Contender, served: Service, wrk_folder: Path, seconds: float, audited_runs: AuditedRuns
) -> dict[str, float]:
    """Return the figures of all workloads, each after a warm-up of its own."""
    dialect, pids, found = contender.dialect, served.pids, dict[str, float]()
    url = f"http://127.0.0.1:{served.port}{dialect.path}"
    with ExitStack() as stack:
        tester = None if dialect.is_http else stack.enter_context(open_tester(served.port, audited_runs))
        for images, callers in WORKLOADS:
            load, requests = f"{images}x{callers}", seeded_requests(dialect, images)
            if tester is None:
                measured = _by_wrk(wrk_folder, url, pids, requests, callers, seconds)
            else:
                ending = {"duration_seconds": seconds, "warm_up_seconds": seconds / 2}
                name, many = f"{contender.name}, {load}", ClosedLoop(concurrency=callers)
                workload = Workload(kind="method", method=dialect.path.removeprefix("/"), delivery="unary")
                measured = _figures_of(tester.run(name, workload, many, requests, pids, **ending))
            measured[RATE] = measured.pop("per_second") * images
            found |= {f"{load}.{figure}": value for figure, value in measured.items()}
    return found


def _figures_of(run: Run) -> dict[str, float]:
    service = run.measured.service.seconds
    return {
        "per_second": run.measured.rates.requests,
        P50: (service.p50 or math.nan) * 1e3,
        "p99_ms": (service.p99 or math.nan) * 1e3,
        CPU: run.cpu / run.num_ok * 1e3,
        "client_cpu_ms": run.found.cpu_seconds / run.num_ok * 1e3,
    }


def _by_wrk(
    folder: Path, url: str, pids: Sequence[int], requests: Sequence[bytes], callers: int, seconds: float
) -> dict[str, float]:
    wrk.run(folder, url, requests, callers, seconds)  # warms up
    before = cpu(pids)
    found = wrk.run(folder, url, requests, callers, seconds)
    used = settled_cpu(pids, _SETTLING_SECONDS) - before
    return {CPU: used / found.pop("num_ok") * 1e3, **found}
