"""How many samples a second the instances of a model run together, measured. Knows no runtime."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from services.common.runtimes.session import Feed, Session, num_rows


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
