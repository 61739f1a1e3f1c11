"""From all that was seen over steps to its document."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tandem.measure.meters.header import header_of
from tandem.measure.results.steps import Settings, Steps, StepsLaw, StepsPoint
from tandem.measure.statistics.power_law import fit_law, mean_value
from tandem.measure.studies.comparison.modes import Mode
from tandem.measure.studies.comparison.results import mode_result, problems_of
from tandem.measure.studies.comparison.run import Findings
from tandem.measure.studies.steps.subjects import Subjects

Floats = NDArray[np.float64]


def steps_document(
    address: str, subjects: Subjects, settings: Settings, findings: Findings, bits: Mapping[str, Floats]
) -> Steps:
    """Return the document. `bits`: bits a token of the same N images, by mode: [N]."""
    modes = subjects.modes()
    most = bits.get(modes[len(subjects.steps) - 1].name)
    points = tuple(_point(mode, settings, findings, bits.get(mode.name), most) for mode in modes)
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
        law=None if most is None else _law(subjects, bits, most),
        judgement=findings.judgement,
        num_scored=max(map(len, bits.values()), default=0),
        cpu_sources=findings.meters.cpu.sources,
    )


def _point(mode: Mode, settings: Settings, findings: Findings, bits: Floats | None, most: Floats | None) -> StepsPoint:
    steps = mode.workload.steps
    over = None if bits is None or most is None or steps in (None, settings.steps[-1]) else mean_value(bits - most)
    return StepsPoint(
        steps=steps,
        mode=mode_result(mode, settings.load, findings),
        num_images=len(findings.albums[mode.drawer]),
        quality=findings.quality.get(mode.drawer),
        bits_per_token=None if bits is None else mean_value(bits),
        bits_over_most=over,
    )


def _law(subjects: Subjects, bits: Mapping[str, Floats], most: Floats) -> StepsLaw | None:
    fewer = [mode for mode in subjects.modes() if mode.workload.steps is not None][:-1]
    if not fewer:
        return None
    excess = np.stack([bits[mode.name] - most for mode in fewer], axis=1)
    return fit_law(subjects.steps[:-1], excess)
