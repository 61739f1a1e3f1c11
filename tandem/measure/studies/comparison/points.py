"""From what was seen to the points of a latency-throughput curve, and to a capacity."""

from collections.abc import Sequence

import numpy as np

from tandem.measure.results.comparison import Capacity, Cpu, Point, Timed, TrialResult
from tandem.measure.results.distributions import Distribution
from tandem.measure.results.load import StreamResult
from tandem.measure.results.record import Record, merged
from tandem.measure.results.value import Value
from tandem.measure.scenario import ClosedLoop, Scenario
from tandem.measure.statistics.stream_results import stream_results
from tandem.measure.studies.comparison.modes import Mode
from tandem.measure.studies.comparison.sample import Figure, TrialSample
from tandem.measure.studies.comparison.trials import Trial


def point(mode: Mode, concurrency: int, numbered: Sequence[tuple[int, Trial]], confidence: float) -> Point:
    """Return the point of these trials, which come with the numbers of their rounds and have at least one image
    each.
    """
    trials = [trial for _, trial in numbered]
    sample, record = TrialSample(trials), merged([trial.record for trial in trials])
    result = stream_result(mode, record, concurrency)
    seconds = sum(trial.spent.seconds for trial in trials)

    def told(figure: Figure | None) -> Value | None:
        return None if figure is None else figure.value(confidence)

    def surely(figure: Figure | None) -> Value:
        assert figure is not None
        return figure.value(confidence)

    def timed(end: str, all_seconds: Distribution) -> Timed:
        p50, p99 = (told(sample.quantile(end, q)) for q in (0.5, 0.99))
        return Timed(distribution=all_seconds, p50=p50, p99=p99)

    return Point(
        concurrency=concurrency,
        num_images=sum(sample.num_images),
        num_errors=len(record.requests) - sum(sample.num_images),
        images_per_second=surely(sample.figure("images_per_second")),
        latency=timed("ended", result.latency),
        first_output=timed("first_output", result.first_output),
        phases=result.phases,
        batch_size=result.batch_size,
        cpu_seconds_per_image=Cpu(
            gateway=told(sample.per_image("gateway_cpu_seconds")),
            backend=told(sample.per_image("backend_cpu_seconds")),
            client=surely(sample.per_image("client_cpu_seconds")),
            servers=told(sample.figure("cpu_seconds_per_image")),
        ),
        client_cpu_share=sum(trial.spent.client_cpu_seconds for trial in trials) / seconds,
        trials=tuple(
            TrialResult(round=number, num_images=count, **vars(trial.spent))
            for (number, trial), count in zip(numbered, sample.num_images, strict=True)
        ),
    )


def stream_result(mode: Mode, record: Record, concurrency: int) -> StreamResult:
    """Return what the load generator makes of a record; its rates are of no use here, as times of trials overlap."""
    scenario = Scenario(workloads=(mode.workload,), load=ClosedLoop(concurrency=concurrency), num_requests=1)
    return stream_results(scenario, record, np.inf)[0]


def capacity_of(curve: Sequence[Point], slo_seconds: float) -> Capacity:
    """Return the highest rate at which p99 stays within the objective, as closed loops, by concurrency, tell it."""
    good = [point for point in curve if _meets(point, slo_seconds)]
    best = max(good, key=lambda point: point.images_per_second.value, default=None)
    return Capacity(
        slo_seconds=slo_seconds,
        images_per_second=best.images_per_second.value if best else None,
        concurrency=best.concurrency if best else None,
        is_lower_bound=len(curve) > 0 and curve[-1] in good,
    )


def _meets(point: Point, slo_seconds: float) -> bool:
    """Whether p99 is within the objective; of too few requests for a p99, whether all are."""
    seconds = point.latency.distribution.seconds
    worst = seconds.p99 if seconds.p99 is not None else seconds.max
    return not point.num_errors and worst is not None and worst <= slo_seconds
