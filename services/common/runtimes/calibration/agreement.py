"""What a session is judged by: the same bits in any batch, nearly what the reference draws, and how fast it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.common.runtimes.configuration import Precision
from services.common.runtimes.session import Array, Feed, Session, num_rows, rows

MAX_RMS_DIFFERENCE: dict[Precision, float] = {"float32": 1e-4, "bfloat16": 1 / 255}
"""How far from the reference outputs may lie, as root mean square over their range: for bfloat16 the step of a byte."""
INT8_TOLERANCE = 1.5
"""How many times as far outputs in int8 may lie as where that form was made: some processors add up in fewer bits."""


@dataclass(frozen=True)
class Difference:
    """How far outputs lie from the reference's, as a share of the range of those."""

    rms: float
    largest: float


def difference(outputs: Array, reference: Array) -> Difference:
    """Return how far apart two arrays of one shape are; infinitely far where one is not finite."""
    if not np.isfinite(outputs).all():
        return Difference(float("inf"), float("inf"))
    apart = np.abs(outputs.astype(np.float64) - reference) / max(float(np.ptp(reference)), np.finfo(np.float32).tiny)
    return Difference(float(np.sqrt(np.mean(apart**2))), float(apart.max()))


def depends_on_batch(session: Session, feed: Feed, output_name: str, sizes: Sequence[int]) -> int | None:
    """Return the first of the batch sizes in which some sample's bits are others than in the whole feed, or None.

    The sizes are tried at the beginning, in the middle and at the end of the feed in turn, so that places change too.
    """
    (whole,) = session.run(feed, [output_name])
    for place, size in enumerate(sizes):
        start = (num_rows(feed) - size) * (place % 3) // 2
        (part,) = session.run(rows(feed, start, start + size), [output_name])
        if part.tobytes() != whole[start : start + size].tobytes():
            return size
    return None


@dataclass(frozen=True)
class Speed:
    """Samples a second of all instances together."""

    by_clock: float
    """As measured: other use of the machine may have slowed it down."""
    by_cpu_time: float
    """As it would have been with all cores free: by the processor time that this process took."""
    core_share: float
    """How much of a core each thread had until the first session was done, 0 to about 1: less where others had them.
    0 if every session failed."""


def measure(sessions: Sequence[Session], num_threads: int, feed: Feed, output_name: str, seconds: float) -> Speed:
    """Run every session over and over with the feed, all at the same time; each at least once.

    `num_threads` is how many threads the sessions compute with in all.
    """
    counts, shares = [0] * len(sessions), []
    clock, cpu = time.perf_counter(), time.process_time()

    def loop(place: int) -> None:
        while not counts[place] or time.perf_counter() < clock + seconds:
            sessions[place].run(feed, [output_name])
            counts[place] += 1
        shares.append((time.process_time() - cpu) / (time.perf_counter() - clock) / num_threads)

    # Daemons, so that a process that is told to stop does not wait for a measurement.
    threads = [threading.Thread(target=loop, args=(place,), daemon=True) for place in range(len(sessions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    num_samples = sum(counts) * num_rows(feed)
    cpu_seconds = (time.process_time() - cpu) / num_threads
    return Speed(
        num_samples / (time.perf_counter() - clock), num_samples / max(cpu_seconds, 1e-6), shares[0] if shares else 0.0
    )
