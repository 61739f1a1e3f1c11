"""Which way to run a model is the fastest here, among those that draw the same bits in any batch: found by trying.

First runtimes and precisions, by the processor time they take, so that other users of the machine have little effect on
it; then how to divide the cores, by the clock, as threads that wait for each other take no processor time; then what a
pass of each batch size takes. A figure is the best of several short runs, in turns with the other candidates'.
Configurations are compared by the geometric mean over the batch sizes.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter

from services.common.runtimes.calibration.agreement import (
    INT8_TOLERANCE,
    MAX_RMS_DIFFERENCE,
    Speed,
    depends_on_batch,
    difference,
    measure,
)
from services.common.runtimes.calibration.candidates import first_candidates, other_divisions, trial_sizes
from services.common.runtimes.calibration.store import Calibration, Trial
from services.common.runtimes.configuration import Configuration, Wish
from services.common.runtimes.opening import Forms, open_instances
from services.common.runtimes.openvino_session import sizes_up_to, unmeasured
from services.common.runtimes.session import Array, Feed, Session, num_rows, rows
from tandem.shared.models import ModelError

logger = logging.getLogger(__name__)

NUM_ROUNDS = 5
RUN_SECONDS = 0.03
MIN_GAIN = 1.1
# Large models need more than a run's time for one pass; the sizes that are left when this is over are not measured.
COMPARISON_SECONDS = 8.0
# Sizes that no runtime has a special case for, to look for samples that depend on others in the batch.
ODD_SIZES = (1, 1, 1, 3, 7, 33)


Figure = Callable[[Speed], float]
by_cpu_time = attrgetter("by_cpu_time")
by_clock = attrgetter("by_clock")


class _Entrant:
    """A configuration that is being tried, its instances open."""

    def __init__(self, configuration: Configuration, sessions: Sequence[Session], trial: Trial) -> None:
        self.configuration = configuration
        self.sessions = sessions
        self.trial = trial
        self.speeds: dict[int, float] = {}

    def concluded(self, sizes: Iterable[int]) -> Trial:
        return self.trial.model_copy(update={"samples_per_second": {size: self.speeds[size] for size in sizes}})


class Calibrator:
    """Tries the ways to run one model. `probe` are inputs of at least the largest batch that is compiled.

    `int8_difference` is how far the outputs in int8 lay from the original's where that form was made.
    """

    def __init__(
        self, forms: Forms, wish: Wish, num_cores: int, probe: Feed, output_name: str, int8_difference: float = 0.0
    ) -> None:
        self._forms = forms
        self._max_rms_difference = {**MAX_RMS_DIFFERENCE, "int8": INT8_TOLERANCE * int8_difference}
        self._wish = wish
        self._num_cores = num_cores
        self._probe = probe
        self._output_name = output_name
        self._trials: dict[str, Trial] = {}  # by the configuration's name; the first one counts
        self._core_shares: list[float] = []

    def calibrate(self, reference: Session) -> Calibration:
        """Return the best configuration; `reference` draws what all must draw. Raises ProviderError, ModelError."""
        started = time.monotonic()
        (expected,) = reference.run(self._probe, [self._output_name])
        forms = self._forms
        int8_is_rewritten = None if forms.int8 is None else forms.int8.has_rewritten
        candidates = first_candidates(self._wish, self._num_cores, forms.has_rewritten, int8_is_rewritten)
        # Where no candidate may be used, the first is: a model may itself mix the samples of a batch.
        best = self._best_of(self._entered(candidates, expected), by_cpu_time) or candidates[0]
        chosen = self._with_all_sizes(self._divided(best, expected), expected)
        return Calibration(
            configuration=chosen,
            trials=list(self._trials.values()),
            seconds=time.monotonic() - started,
            core_share=statistics.median(self._core_shares or [1.0]),
        )

    def _divided(self, best: Configuration, expected: Array) -> Configuration:
        """Return the configuration with the cores divided as is fastest.

        A winner is timed again, because a moment of other use of the machine affects the clock.
        """
        others = self._entered(other_divisions(self._wish, best, self._num_cores), expected)
        if not others:
            return best
        itself = _Entrant(best, open_instances(self._forms, best), self._trials[best.name])
        chosen = self._best_of([itself, *others], by_clock) or best
        return chosen if chosen == best else self._best_of([itself, *others], by_clock) or best

    def _entered(self, candidates: Sequence[Configuration], expected: Array) -> list[_Entrant]:
        """Return those that may be used."""
        return [each for each in (self._enter(one, expected) for one in candidates) if each is not None]

    def _best_of(self, entrants: Sequence[_Entrant], figure: Figure) -> Configuration | None:
        """Return the fastest, None if there is none."""
        sizes = self._race(entrants, figure) if len(entrants) > 1 else []  # who is alone need not run
        trials = [each.concluded(sizes) for each in entrants]
        self._note(trials)
        if not trials:
            return None
        fastest = max(trials, key=lambda each: each.score)
        # The first is what there would be without the others; bits may hang on the choice, so chance must not make it.
        return (fastest if fastest.score > MIN_GAIN * trials[0].score else trials[0]).configuration

    def _enter(self, configuration: Configuration, expected: Array) -> _Entrant | None:
        """Open a configuration and look whether it draws what it should."""
        try:
            sessions = open_instances(self._forms, configuration)
            trial = self._examined(configuration, sessions[0], expected)
        except ModelError as error:
            trial = Trial(configuration=configuration, rejected=str(error))
        if not trial.rejected:
            return _Entrant(configuration, sessions, trial)
        logger.info("%s is not used: %s", configuration.name, trial.rejected)
        self._note([trial])
        return None

    def _examined(self, configuration: Configuration, session: Session, expected: Array) -> Trial:
        (outputs,) = session.run(self._probe, [self._output_name])
        found = difference(outputs, expected)
        rejected = ""
        if found.rms > self._max_rms_difference[configuration.precision]:
            rejected = f"its outputs are {found.rms:.2g} of their range away from the original's"
        else:
            sizes = [each for each in (*ODD_SIZES, *configuration.pass_seconds) if each < num_rows(self._probe)]
            size = depends_on_batch(session, self._probe, self._output_name, sizes)
            if size is not None:
                rejected = f"the bits of its outputs depend on the batch (seen at {size})"
        return Trial(
            configuration=configuration,
            rms_difference=found.rms,
            largest_difference=found.largest,
            rejected=rejected,
        )

    def _race(self, entrants: Sequence[_Entrant], figure: Figure) -> list[int]:
        """Measure all entrants in turns; return the batch sizes at which all were."""
        deadline = time.monotonic() + COMPARISON_SECONDS
        measured: list[int] = []
        for size in trial_sizes(self._wish.max_batch_size):
            for _ in range(NUM_ROUNDS):
                if measured and time.monotonic() > deadline:
                    return measured
                for each in entrants:
                    speed = figure(self._speed(each.configuration, each.sessions, size))
                    each.speeds[size] = max(speed, each.speeds.get(size, 0.0))
            measured.append(size)
        return measured

    def _speed(self, configuration: Configuration, sessions: Sequence[Session], size: int) -> Speed:
        feed = rows(self._probe, 0, size)
        speed = measure(sessions, configuration.num_threads, feed, self._output_name, RUN_SECONDS)
        if configuration.threads_per_instance == 1:  # several wait for each other
            self._core_shares.append(speed.core_share)
        return speed

    def _note(self, trials: Iterable[Trial]) -> None:
        self._trials = {each.configuration.name: each for each in trials} | self._trials

    def _with_all_sizes(self, best: Configuration, expected: Array) -> Configuration:
        """Return the configuration with all batch sizes compiled, and how long a pass of each takes.

        If it may not be used so, it has no more sizes than it was tried with.
        """
        if best.runtime != "openvino":
            return best
        whole = best.model_copy(update={"pass_seconds": unmeasured(sizes_up_to(self._wish.max_batch_size))})
        sessions = open_instances(self._forms, whole)
        rejected = self._examined(whole, sessions[0], expected).rejected
        if rejected and not self._trials[best.name].rejected:
            few, path = list(best.pass_seconds), self._forms.original.path
            logger.warning("%s: %s has only passes of %s, since with all sizes %s", path, best.name, few, rejected)
            whole, sessions = best, open_instances(self._forms, best)
        return whole.model_copy(update={"pass_seconds": self._pass_seconds(whole, sessions)})

    def _pass_seconds(self, configuration: Configuration, sessions: Sequence[Session]) -> dict[int, float]:
        """Return what a pass of each size takes while all instances are busy.

        In turns, as a machine that was slow for one size and fast for the next would have it split batches wrongly.
        """
        speeds = dict.fromkeys(configuration.pass_seconds, 0.0)
        for _ in range(NUM_ROUNDS):
            for size in speeds:
                speeds[size] = max(speeds[size], self._speed(configuration, sessions, size).by_cpu_time)
        return {size: size * len(sessions) / speed for size, speed in speeds.items()}
