"""The loads of both services, their scenarios, and what each saw in the window of a trial."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tandem.measure.generator.requests.served import with_model
from tandem.measure.generator.run import RunResult
from tandem.measure.results.colocation import Load, Settings
from tandem.measure.results.header import ServedModel
from tandem.measure.results.record import Outcome
from tandem.measure.scenario import ClosedLoop, OpenLoop, Scenario, Workload
from tandem.measure.studies.crossover.runs import CARRIED_SHARE, LOWEST_RATE, one_load
from tandem.shared.errors import ExpectedError

# A load continues for this long after its window, so that both loads run until the window of each has ended.
TAIL_SECONDS = 0.3
_WARM_UP_SECONDS = 0.3

Values = NDArray[np.float64]


def workloads_of(models: Sequence[ServedModel], settings: Settings) -> Iterator[Workload]:
    """Yield streams of each sequential modality that is served or named, then images in parallel. Of several language
    models it is the first, unless one is named. Raises ValueError.
    """
    served = {each.modality: each.name for each in reversed(models) if each.paradigm == "sequential"}
    if not served:
        raise ExpectedError("model: no sequential model is served there")
    if settings.sequential_model or "image" in served:
        yield with_model(Workload(kind="image", delivery="streamed", model=settings.sequential_model), models)
    if text_model := settings.text_model or served.get("text"):
        yield with_model(Workload(kind="text", delivery="streamed", model=text_model), models)
    yield with_model(Workload(kind="images", delivery="unary", model=settings.parallel_model), models)


def load_of(workload: Workload, most_per_second: float) -> Load:
    """Return the load of a model of which so many images came out of a closed loop, which may be none at all."""
    capacity = max(LOWEST_RATE, CARRIED_SHARE * most_per_second)
    return Load(workload=workload, capacity_per_second=capacity, source="closed loop")


def scenario_of(load: Load, settings: Settings, seed: int) -> Scenario:
    """Return a trial of a load; with the same seed, requests arrive at the same instants."""
    rate = load.rate_per_second
    loop = ClosedLoop(concurrency=1) if rate is None else OpenLoop(rate_per_second=rate)
    return one_load(load.workload, loop, settings.trial_seconds + TAIL_SECONDS, seed, _WARM_UP_SECONDS)


@dataclass(frozen=True)
class Seen:
    """What a load saw in its window: of requests that were due then, and of messages that came then."""

    seconds: float
    latencies: Values
    gaps: Values
    num_gap_tokens: int  # of the messages that end a gap
    num_images: int
    num_requests: int
    num_failed: int
    grows: bool


def seen_of(run_result: RunResult, seconds: float) -> Seen:
    """Return what a run saw in the first `seconds` after its warm-up."""
    (rows, messages), backlog = run_result.record[:2], run_result.document.backlog
    due = rows[(rows["intended"] >= 0.0) & (rows["intended"] < seconds)]
    ended_well = rows[rows["outcome"] == Outcome.OK]
    good = due[due["outcome"] == Outcome.OK]
    messages = messages[np.isin(messages["number"], ended_well["number"])]
    first, second = messages[:-1], messages[1:]
    is_gap = (first["number"] == second["number"]) & (first["at"] >= 0.0) & (second["at"] < seconds)
    is_delivered = (ended_well["ended"] >= 0.0) & (ended_well["ended"] < seconds)
    return Seen(
        seconds=seconds,
        latencies=np.asarray(good["ended"] - good["intended"]),
        gaps=np.asarray((second["at"] - first["at"])[is_gap]),
        num_gap_tokens=int(np.sum(second["num_outputs"][is_gap])),
        num_images=int(np.sum(ended_well["num_images"][is_delivered])),
        num_requests=len(due),
        num_failed=len(due) - len(good),
        grows=backlog is not None and backlog.grows,
    )
