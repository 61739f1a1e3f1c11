"""From all that was seen over steps to its document."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tandem.measure.meters.header import header_of
from tandem.measure.results.steps import Settings, Steps, StepsPoint
from tandem.measure.results.value import Value
from tandem.measure.statistics.intervals import MIN_ROUNDS, estimate
from tandem.measure.studies.comparison.modes import Mode
from tandem.measure.studies.comparison.results import mode_result, problems_of
from tandem.measure.studies.comparison.run import Findings
from tandem.measure.studies.steps.subjects import Subjects

Floats = NDArray[np.float64]


def steps_document(
    address: str,
    subjects: Subjects,
    settings: Settings,
    findings: Findings,
    bits: Mapping[str, Floats],
    predicted: Mapping[int, float],
) -> Steps:
    """Return the document. `bits`: bits a token of the same N images, by mode: [N]; `predicted`: those that the costs
    of steps come to, by the number of steps.
    """
    modes = subjects.modes()
    most = bits.get(modes[len(subjects.steps) - 1].name)
    points = tuple(_point(mode, settings, findings, bits.get(mode.name), most, predicted) for mode in modes)
    return Steps(
        **header_of(
            address,
            subjects.models,
            findings.started_at,
            findings.audited_runs.summary(),
            tuple(problems_of(findings, [point.mode for point in points])),
            is_partial=bool(findings.stop_reason),
        ),
        seconds=findings.seconds,
        class_names=subjects.pair.class_names,
        settings=settings,
        points=points,
        judgement=findings.judgement,
        num_scored=max(map(len, bits.values()), default=0),
        cpu_sources=findings.meter.sources,
    )


def _point(
    mode: Mode,
    settings: Settings,
    findings: Findings,
    bits: Floats | None,
    most: Floats | None,
    predicted: Mapping[int, float],
) -> StepsPoint:
    steps = mode.workload.steps
    is_fewer = steps is not None and steps < settings.steps[-1]
    over = _mean(bits - most) if bits is not None and most is not None and is_fewer else None
    told = predicted[steps] - predicted[settings.steps[-1]] if steps and steps in predicted and is_fewer else None
    return StepsPoint(
        steps=steps,
        mode=mode_result(mode, settings.load, findings),
        num_images=len(findings.albums[mode.drawer]),
        quality=findings.quality.get(mode.drawer),
        bits_per_token=None if bits is None else _mean(bits),
        bits_over_most=over,
        predicted_over_most=told,
    )


def _mean(values: Floats) -> Value:
    """Return the mean of values [N] with its 95 % interval by bootstrap."""
    return estimate(lambda rows: float(values[rows].mean()), len(values), 0.95, MIN_ROUNDS)
