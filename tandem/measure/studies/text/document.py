"""From the trials of a study of texts to its document: figures by callers, what the loads of the fit foretell of the
others, and up to how many callers each mode pays. Sends nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tandem.measure.results.comparison import Point
from tandem.measure.results.crossover import FittedCurve
from tandem.measure.results.text import Limit, TextMode, TextStudy
from tandem.measure.results.value import Repeated
from tandem.measure.studies.comparison.trials import Series, point
from tandem.measure.studies.study import Figure, ratio_of_sums
from tandem.measure.studies.text.prediction import Need, Prediction, fit_steps, limit, places
from tandem.measure.studies.text.study import AskedMode, ModesStudy, TextTrial
from tandem.shared.errors import ExpectedError


def text_document(study: ModesStudy) -> TextStudy:
    """Return the document."""
    modes = [_measured(study, mode) for mode in study.modes]
    step, sequence_rows, reason = None, 0.0, ""
    try:
        modes, step, sequence_rows = _predicted(study, modes)
    except ExpectedError as error:
        reason = study.stop_reason or str(error)
    return TextStudy(
        **study.header(study.source.address, [study.model]),
        seconds=study.seconds,
        settings=study.settings,
        modes=tuple(modes),
        step=step,
        sequence_rows=sequence_rows,
        reason=reason,
        num_scored=study.bits[1],
        cpu_sources=study.meter.sources,
    )


def _by_round(study: ModesStudy, name: str, callers: int) -> dict[int, TextTrial]:
    """Return the trials of a mode with this number of callers."""
    return {number: trial for number, trial in study.trials if (trial.mode.name, trial.concurrency) == (name, callers)}


def _measured(study: ModesStudy, mode: AskedMode) -> TextMode:
    """Return what was measured of a mode."""
    curve, number = list[Point](), mode.tokens_per_step
    for callers in sorted(study.settings.concurrencies):
        own, plain = (_by_round(study, name, callers) for name in (mode.name, study.modes[0].name))
        if own and own.keys() == plain.keys():
            seen = point(mode, Series(own), study.settings.confidence)
            figures = _figures(list(own.values()), list(plain.values()), study)
            curve.append(seen.model_copy(update={"figures": {**seen.figures, **figures}}))
    bits: dict[str, Any] = dict(
        zip(("bits_per_token", "bits_per_byte"), study.bits[0].get(number or 1, ()), strict=False)
    )
    found = TextMode(name=mode.name, tokens_per_step=number, curve=tuple(curve), **bits)
    return found if number == 1 else found.model_copy(update={"measured_limit": _limit(study, found)})


def _figures(own: Sequence[TextTrial], plain: Sequence[TextTrial], study: ModesStudy) -> dict[str, Repeated]:
    """Return what the trials of a mode come to beside those of a token a step in the same rounds."""
    confidence = study.settings.confidence
    rate, other = (
        ratio_of_sums([trial.num_tokens for trial in trials], [trial.window_seconds for trial in trials])
        for trials in (own, plain)
    )
    tokens = [float(study.settings.new_tokens * count) for count in Series(dict(enumerate(own))).num_images]
    found: dict[str, Figure] = {"tokens_per_second": rate}
    if None not in (spent := [trial.server_cpu_seconds for trial in own]):
        found["cpu_seconds_per_token"] = ratio_of_sums([seconds or 0.0 for seconds in spent], tokens)
    if None not in [trial.need for trial in own]:
        steps, rows = np.array([trial.counted for trial in own]).T.tolist()
        found |= {"tokens_per_step": ratio_of_sums(tokens, steps), "rows_per_step": ratio_of_sums(rows, steps)}
    figures = {name: figure.repeated(confidence) for name, figure in found.items()}
    if ratio := rate.over(other, confidence):
        rounds = tuple(first / second for first, second in zip(rate.spread, other.spread, strict=True))
        figures["ratio"] = Repeated(**vars(ratio), of_rounds=rounds)
    return figures


def _unseen(study: ModesStudy) -> list[int]:
    """Return the numbers of callers that a prediction is checked at."""
    return sorted(set(study.settings.concurrencies) - set(study.settings.fitted_at))


def _limit(study: ModesStudy, mode: TextMode) -> Limit | None:
    """Return up to how many callers a mode pays, as measured where the prediction is checked."""
    ratios = {each.concurrency: each.figures["ratio"].value for each in mode.curve if "ratio" in each.figures}
    callers = [number for number in _unseen(study) if number in ratios]
    return limit(callers, [ratios[number] for number in callers], mode.least_gain) if len(callers) > 1 else None


def _predicted(study: ModesStudy, modes: Sequence[TextMode]) -> tuple[list[TextMode], FittedCurve, float]:
    """Return the modes with what is predicted of them, and what a step and a sequence in it cost. Raises
    ExpectedError.
    """
    settings, needs, timed = study.settings, dict[str, list[Need]](), list[list[Need]]()
    for mode in modes:
        for callers in sorted(settings.concurrencies):
            found = [trial.need for trial in _by_round(study, mode.name, callers).values()]
            known = [need for need in found if need is not None]
            if not known or len(known) < len(found):
                notes = "; ".join(source.note for source in study.meter.sources if not source.is_known)
                raise ExpectedError(f"steps and rows of {mode.name}, {callers} at a time, are not known: {notes}")
            needs.setdefault(mode.name, []).append(Need(*np.median(known, axis=0).tolist()))
            timed += [known] if callers in settings.fitted_at else []
    step, fitted = fit_steps(timed)
    engines = (study.model.num_instances or 1) * study.meter.num_replicas("sequential")
    own = (settings.fitted_at, settings.new_tokens, engines)
    rates = {name: Prediction(step, each, *own) for name, each in needs.items()}
    foretold = [_foretold(mode, rates, modes[0].name, _unseen(study)) for mode in modes]
    return foretold, fitted, step.sequence_rows


def _foretold(mode: TextMode, rates: Mapping[str, Prediction], plain: str, unseen: Sequence[int]) -> TextMode:
    rate = rates[mode.name]
    update: dict[str, Any] = {"predicted": {callers: rate(callers) for callers in unseen}}
    if mode.measured_limit is not None:
        between = places(unseen[0], unseen[-1])
        ratios = [rate(callers) / rates[plain](callers) for callers in between]
        update["predicted_limit"] = limit(between, ratios, mode.least_gain)
    return mode.model_copy(update=update)
