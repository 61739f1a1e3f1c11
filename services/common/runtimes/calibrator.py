"""Which way to run a model is the fastest here, among those that draw the same bits in any batch: found by trying.

First runtimes and precisions, by the processor time they take, so that other users of the machine have little effect on
it; then how to divide the cores, by the clock, as threads that wait for each other take no processor time; then what a
pass of each batch size takes. A figure is the best of several short runs, in turns with the other candidates'.
Configurations are compared by the geometric mean over the batch sizes.
"""

from __future__ import annotations

import logging
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from services.common.runtimes.configuration import Calibration, Configuration, Precision, Trial, Wish
from services.common.runtimes.openvino_session import sizes_up_to, unmeasured
from services.common.runtimes.session import Array, Feed, Session, num_rows, rows
from services.common.runtimes.ways import Forms, first_candidates, other_divisions, trial_sizes
from tandem.shared.models import ModelError

logger = logging.getLogger(__name__)

MAX_RMS_DIFFERENCE: dict[Precision, float] = {"float32": 1e-4, "bfloat16": 1 / 255}
"""How far from the reference outputs may lie, as root mean square over their range: for bfloat16 the step of a byte."""
INT8_TOLERANCE = 1.5
"""How many times as far outputs in int8 may lie as where that form was made: some processors add up in fewer bits."""

NUM_ROUNDS = 5
RUN_SECONDS = 0.03
MIN_GAIN = 1.1
# Large models need more than a run's time for one pass; the sizes that are left when this is over are not measured.
COMPARISON_SECONDS = 8.0
# Sizes that no runtime has a special case for, to look for samples that depend on others in the batch.
ODD_SIZES = (1, 1, 1, 3, 7, 33)


def difference(outputs: Array, reference: Array) -> float:
    """Return how far apart two arrays of one shape are, as root mean square over the reference's range of values.

    Infinitely far where one is not finite.
    """
    if not np.isfinite(outputs).all():
        return float("inf")
    value_range = max(float(np.ptp(reference)), float(np.finfo(np.float32).tiny))
    return float(np.sqrt(np.mean((outputs.astype(np.float64) - reference) ** 2))) / value_range


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


class Speed(NamedTuple):
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
    elapsed = time.perf_counter() - clock
    return Speed(num_samples / elapsed, num_samples / max(cpu_seconds, 1e-6), shares[0] if shares else 0.0)


Figure = Callable[[Speed], float]


@dataclass
class _Entrant:
    """A configuration that is being tried, its instances open."""

    trial: Trial
    sessions: Sequence[Session]
    speeds: dict[int, float] = field(default_factory=dict)


class Calibrator:
    """Tries the ways to run one model. `probe` are inputs of at least the largest batch that is compiled.

    `reference` draws what all must draw. `int8_difference` is how far the outputs in int8 lay from the original's where
    that form was made.
    """

    def __init__(
        self, forms: Forms, wish: Wish, num_cores: int, probe: Feed, reference: Session, int8_difference: float = 0.0
    ) -> None:
        self._forms = forms
        self._wish = wish
        self._num_cores = num_cores
        self._probe = probe
        self._reference = reference
        self._output_name = reference.outputs[0].name
        self._max_rms_difference = {**MAX_RMS_DIFFERENCE, "int8": INT8_TOLERANCE * int8_difference}
        self._trials: dict[str, Trial] = {}  # by the configuration's name; the first one counts
        self._core_shares: list[float] = []

    def calibrate(self) -> Calibration:
        """Return the best configuration. Raises ProviderError, ModelError."""
        started = time.monotonic()
        (self._expected,) = self._reference.run(self._probe, [self._output_name])
        candidates = first_candidates(self._wish, self._num_cores, self._forms)
        # Where no candidate may be used, the first is: a model may itself mix the samples of a batch.
        best = self._best_of(self._enter_all(candidates), attrgetter("by_cpu_time")) or candidates[0]
        chosen = self._compile_all_sizes(self._divide_cores(best))
        return Calibration(
            configuration=chosen,
            trials=list(self._trials.values()),
            seconds=time.monotonic() - started,
            core_share=statistics.median(self._core_shares or [1.0]),
        )

    def _divide_cores(self, best: Configuration) -> Configuration:
        """Return the configuration with the cores divided as is fastest.

        A winner is timed again, because a moment of other use of the machine affects the clock.
        """
        others = self._enter_all(other_divisions(self._wish, best, self._num_cores))
        if not others:
            return best
        entrants = [_Entrant(self._trials[best.name], self._forms.open(best)), *others]
        chosen = self._best_of(entrants, attrgetter("by_clock")) or best
        return chosen if chosen == best else self._best_of(entrants, attrgetter("by_clock")) or best

    def _enter_all(self, candidates: Iterable[Configuration]) -> list[_Entrant]:
        """Return those that may be used."""
        entrants = []
        for configuration in candidates:
            try:
                sessions = self._forms.open(configuration)
                trial = self._examine(configuration, sessions[0])
            except ModelError as error:
                trial = Trial(configuration=configuration, rejected=str(error))
            if trial.rejected:
                logger.info("%s is not used: %s", configuration.name, trial.rejected)
                self._note([trial])
            else:
                entrants.append(_Entrant(trial, sessions))
        return entrants

    def _best_of(self, entrants: Sequence[_Entrant], figure: Figure) -> Configuration | None:
        """Return the fastest, None if there is none."""
        sizes = self._race(entrants, figure) if len(entrants) > 1 else []  # who is alone need not run
        trials = [
            entrant.trial.model_copy(update={"samples_per_second": {size: entrant.speeds[size] for size in sizes}})
            for entrant in entrants
        ]
        self._note(trials)
        if not trials:
            return None
        fastest = max(trials, key=lambda trial: trial.score)
        # The first is what there would be without the others; bits may hang on the choice, so chance must not make it.
        return (fastest if fastest.score > MIN_GAIN * trials[0].score else trials[0]).configuration

    def _examine(self, configuration: Configuration, session: Session) -> Trial:
        """Look whether a session draws what it should."""
        (outputs,) = session.run(self._probe, [self._output_name])
        rms, rejected = difference(outputs, self._expected), ""
        if rms > self._max_rms_difference[configuration.precision]:
            rejected = f"its outputs are {rms:.2g} of their range away from the original's"
        else:
            sizes = [size for size in (*ODD_SIZES, *configuration.pass_seconds) if size < num_rows(self._probe)]
            size = depends_on_batch(session, self._probe, self._output_name, sizes)
            if size is not None:
                rejected = f"the bits of its outputs depend on the batch (seen at {size})"
        return Trial(configuration=configuration, rms_difference=rms, rejected=rejected)

    def _race(self, entrants: Sequence[_Entrant], figure: Figure) -> list[int]:
        """Measure all entrants in turns; return the batch sizes at which all were."""
        deadline = time.monotonic() + COMPARISON_SECONDS
        measured: list[int] = []
        for size in trial_sizes(self._wish.max_batch_size):
            for _ in range(NUM_ROUNDS):
                if measured and time.monotonic() > deadline:
                    return measured
                for entrant in entrants:
                    speed = figure(self._speed(entrant.trial.configuration, entrant.sessions, size))
                    entrant.speeds[size] = max(speed, entrant.speeds.get(size, 0.0))
            measured.append(size)
        return measured

    def _speed(self, configuration: Configuration, sessions: Sequence[Session], size: int) -> Speed:
        feed = rows(self._probe, 0, size)
        speed = measure(sessions, configuration.num_threads, feed, self._output_name, RUN_SECONDS)
        if configuration.threads_per_instance == 1:  # several wait for each other
            self._core_shares.append(speed.core_share)
        return speed

    def _note(self, trials: Iterable[Trial]) -> None:
        self._trials = {trial.configuration.name: trial for trial in trials} | self._trials

    def _compile_all_sizes(self, best: Configuration) -> Configuration:
        """Return the configuration with all batch sizes compiled, and how long a pass of each takes.

        If it may not be used so, it has no more sizes than it was tried with.
        """
        if best.runtime != "openvino":
            return best
        whole = best.model_copy(update={"pass_seconds": unmeasured(sizes_up_to(self._wish.max_batch_size))})
        sessions = self._forms.open(whole)
        rejected = self._examine(whole, sessions[0]).rejected
        if rejected and not self._trials[best.name].rejected:
            few, path = list(best.pass_seconds), self._forms.exact.path
            logger.warning("%s: %s has only passes of %s, since with all sizes %s", path, best.name, few, rejected)
            whole, sessions = best, self._forms.open(best)
        # In turns, as a machine that was slow for one size and fast for the next would have it split batches wrongly.
        speeds = dict.fromkeys(whole.pass_seconds, 0.0)
        for _ in range(NUM_ROUNDS):
            for size in speeds:
                speeds[size] = max(speeds[size], self._speed(whole, sessions, size).by_cpu_time)
        seconds = {size: size * len(sessions) / speed for size, speed in speeds.items()}
        return whole.model_copy(update={"pass_seconds": seconds})
