"""From all that was seen in a comparison to its document."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from tandem.measure.formats import counted
from tandem.measure.meters.cpu import CpuMeter
from tandem.measure.meters.header import header_of
from tandem.measure.results.comparison import (
    BesideResult,
    Comparison,
    Contrast,
    ForeignResult,
    ModeResult,
    Point,
    Served,
    Settings,
)
from tandem.measure.results.header import ServedModel
from tandem.measure.results.record import Record, merged
from tandem.measure.studies.comparison.contrasts import Pairs, contrasts_of
from tandem.measure.studies.comparison.foreign import CONTRASTS as FOREIGN_CONTRASTS
from tandem.measure.studies.comparison.modes import CONTRASTS, CONTROLS, Mode, Pair, work_of
from tandem.measure.studies.comparison.points import capacity_of, point, stream_result
from tandem.measure.studies.comparison.run import SAMPLES_PER_CLASS, Findings
from tandem.measure.studies.comparison.trials import Trial

# Statuses that are an answer of a server under load: they are told, but nothing is wrong.
_ANSWERS_UNDER_LOAD = ("OK", "RESOURCE_EXHAUSTED")
# Of models that do different work: within each.
_OWN_CONTRASTS = tuple(each for each in CONTRASTS if each[0].split()[0] == each[1].split()[0])


def comparison(address: str, pair: Pair, settings: Settings, findings: Findings) -> Comparison:
    """Return the document."""
    meter, foreign, beside = findings.meter, findings.foreign, findings.beside
    modes, again, theirs, alike = (
        tuple(mode_result(mode, settings, findings) for mode in each)
        for each in (
            pair.modes(),
            pair.controls() if settings.control else (),
            foreign.modes() if foreign else (),
            beside.modes() if beside else (),
        )
    )
    return Comparison(
        **header_of(
            address,
            _with_replicas(pair, meter),
            findings.started_at,
            findings.audited_runs.summary(),
            tuple(problems_of(findings, (*modes, *again, *theirs, *alike))),
            is_partial=bool(findings.stop_reason),
        ),
        seconds=findings.seconds,
        class_names=pair.class_names,
        is_matched=pair.is_matched,
        work={model.paradigm: work_of(model) for model in pair.models},
        settings=settings,
        modes=modes,
        contrasts=tuple(_contrasts(CONTRASTS if pair.is_matched else _OWN_CONTRASTS, settings, findings)),
        controls=tuple(_contrasts(CONTROLS, settings, findings)),
        foreign=None
        if foreign is None
        else ForeignResult(
            address=foreign.source.address,
            model=foreign.model,
            num_tokens=foreign.num_tokens,
            modes=theirs,
            contrasts=tuple(_contrasts(FOREIGN_CONTRASTS, settings, findings)),
        ),
        beside=None
        if beside is None
        else BesideResult(
            address=beside.source.address,
            form=beside.form,
            models=_with_replicas(beside.pair, beside.meter),
            modes=alike,
            contrasts=tuple(_contrasts(beside.contrasts(), settings, findings)),
        ),
        served=tuple(_served(model.paradigm, model.name, findings) for model in pair.models),
        judgement=findings.judgement,
        cpu_sources=meter.sources,
    )


def _with_replicas(pair: Pair, meter: CpuMeter) -> tuple[ServedModel, ...]:
    """Return the models with the instances of all replicas."""
    return tuple(
        model.model_copy(update={"num_instances": model.num_instances * meter.num_replicas(model.paradigm)})
        if model.num_instances
        else model
        for model in pair.models
    )


def mode_result(mode: Mode, settings: Settings, findings: Findings) -> ModeResult:
    """Return all that was measured of a mode."""
    curve = tuple(_curve(mode, settings, findings))
    records = _records(mode, findings)
    ended = stream_result(mode, merged(records), 1) if records else None
    return ModeResult(
        name=mode.name,
        paradigm=mode.paradigm,
        delivery=mode.workload.delivery,
        rpc=mode.workload.rpc,
        model=mode.workload.model,
        curve=curve,
        capacity=capacity_of(curve, settings.slo_seconds) if curve else None,
        codes={} if ended is None else ended.codes,
        errors=() if ended is None else ended.errors,
    )


def _curve(mode: Mode, settings: Settings, findings: Findings) -> Iterator[Point]:
    for concurrency in sorted(settings.concurrencies):
        trials = _trials(findings, concurrency)[mode.name]
        if trials:
            yield point(mode, concurrency, trials, settings.confidence)


def _trials(findings: Findings, concurrency: int) -> dict[str, list[tuple[int, Trial]]]:
    """Return the trials with at least one image, by mode, with the numbers of their rounds."""
    found: dict[str, list[tuple[int, Trial]]] = defaultdict(list)
    for number, trial in findings.trials:
        if trial.concurrency == concurrency and np.any(trial.record.requests["code"] == 0):
            found[trial.mode.name].append((number, trial))
    return found


def _contrasts(pairs: Pairs, settings: Settings, findings: Findings) -> Iterator[Contrast]:
    for concurrency in sorted(settings.concurrencies):
        yield from contrasts_of(pairs, concurrency, _trials(findings, concurrency), settings.confidence)


def _records(mode: Mode, findings: Findings) -> list[Record]:
    return [trial.record for _, trial in findings.trials if trial.mode.name == mode.name]


def problems_of(findings: Findings, modes: Sequence[ModeResult]) -> Iterator[str]:
    """Yield what went wrong: why it was broken off, and requests that failed."""
    if findings.stop_reason:
        yield findings.stop_reason
    for mode in modes:
        texts = {error.code: error.text for error in reversed(mode.errors)}
        for code, count in mode.codes.items():
            if code not in _ANSWERS_UNDER_LOAD:
                yield f"{mode.name}: {counted(count, 'request')} ended in {code}: {texts.get(code, '')}"


def _served(paradigm: str, model: str, findings: Findings) -> Served:
    album = findings.albums[paradigm]
    return Served.model_validate(
        {
            "paradigm": paradigm,
            "model": model,
            "num_images": len(album),
            "samples_png": album.samples_png(SAMPLES_PER_CLASS),
            "num_samples_per_class": min(SAMPLES_PER_CLASS, album.num_per_class),
            "quality": findings.quality.get(paradigm),
        }
    )
