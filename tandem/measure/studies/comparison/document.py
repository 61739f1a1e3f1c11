"""From all that was seen in a comparison to its document."""

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np

from tandem.measure.formats import quantity
from tandem.measure.meters.cpu import CpuMeter
from tandem.measure.results.comparison import (
    BesideResult,
    Comparison,
    Contrast,
    ForeignResult,
    ModeResult,
    Served,
)
from tandem.measure.results.header import ServedModel
from tandem.measure.results.record import merge
from tandem.measure.studies.comparison.callers import SAMPLES_PER_CLASS, CallersStudy
from tandem.measure.studies.comparison.modes import CONTRASTS, CONTROLS, Mode, Pair, work_of
from tandem.measure.studies.comparison.series import Series, capacity_of, contrasts_of, point, stream_result

# Statuses that are an answer of a server under load: they are told, but nothing is wrong.
_ANSWERS_UNDER_LOAD = ("OK", "RESOURCE_EXHAUSTED")
# Of models that do different work: within each.
_OWN_CONTRASTS = tuple(pair for pair in CONTRASTS if pair[0].split()[0] == pair[1].split()[0])


def comparison(address: str, pair: Pair, study: CallersStudy) -> Comparison:
    """Return the document."""
    foreign, beside = study.foreign, study.beside
    result, contrasts = partial(mode_result, study), partial(_contrasts, study)
    modes, controls, theirs, alike = (
        tuple(map(result, part))
        for part in (
            pair.modes(),
            pair.controls() if study.settings.control else (),
            foreign.modes if foreign else (),
            beside.modes if beside else (),
        )
    )
    models = _with_replicas(pair.models, study.meter)
    return Comparison(
        **study.header(address, models, problems_of((*modes, *controls, *theirs, *alike))),
        seconds=study.seconds,
        class_names=pair.class_names,
        is_matched=pair.is_matched,
        work={model.paradigm: work_of(model) for model in pair.models},
        settings=study.settings,
        modes=modes,
        contrasts=contrasts(CONTRASTS if pair.is_matched else _OWN_CONTRASTS),
        controls=contrasts(CONTROLS),
        foreign=None
        if foreign is None
        else ForeignResult(
            address=foreign.source.address,
            model=foreign.models[0].name,
            num_tokens=foreign.modes[0].workload.output_tokens.parameters[0],
            modes=theirs,
            contrasts=contrasts(foreign.contrasts),
        ),
        beside=None
        if beside is None
        else BesideResult(
            address=beside.source.address,
            form=beside.modes[0].form,
            models=_with_replicas(beside.models, beside.meter),
            modes=alike,
            contrasts=contrasts(beside.contrasts),
        ),
        served=tuple(_served(model, study) for model in pair.models),
        judgement=study.judgement,
        cpu_sources=study.meter.sources,
    )


def _with_replicas(models: Iterable[ServedModel], meter: CpuMeter) -> tuple[ServedModel, ...]:
    """Return the models with the instances of all replicas."""
    return tuple(
        model.model_copy(update={"num_instances": model.num_instances * meter.num_replicas(model.paradigm)})
        if model.num_instances
        else model
        for model in models
    )


def mode_result(study: CallersStudy, mode: Mode) -> ModeResult:
    """Return all that was measured of a mode."""
    settings, records = study.settings, [trial.record for _, trial in study.trials if trial.mode == mode]
    series = (_series(study, mode.name, concurrency) for concurrency in sorted(settings.concurrencies))
    curve = tuple(point(mode, one, settings.confidence) for one in series if one.trials)
    everything = stream_result(mode, merge(records)) if records else None
    return ModeResult(
        name=mode.name,
        paradigm=mode.paradigm,
        delivery=mode.workload.delivery,
        rpc=mode.workload.rpc,
        model=mode.workload.model,
        curve=curve,
        capacity=capacity_of(curve, settings.slo_seconds) if curve else None,
        codes=everything.codes if everything else {},
        errors=everything.errors if everything else (),
    )


def _series(study: CallersStudy, name: str, concurrency: int) -> Series:
    """Return the trials with at least one image, of a mode at one concurrency."""
    return Series(
        [
            (number, trial)
            for number, trial in study.trials
            if (trial.mode.name, trial.concurrency) == (name, concurrency)
            and np.any(trial.record.requests["code"] == 0)
        ]
    )


def _contrasts(study: CallersStudy, pairs: Sequence[tuple[str, str]]) -> tuple[Contrast, ...]:
    return tuple(
        contrast
        for concurrency in sorted(study.settings.concurrencies)
        for pair in pairs
        for contrast in contrasts_of(
            pair, [_series(study, name, concurrency) for name in pair], study.settings.confidence
        )
    )


def problems_of(modes: Sequence[ModeResult]) -> list[str]:
    """Return a line for each status of a mode that says that something is wrong."""
    problems = []
    for mode in modes:
        texts = {error.code: error.text for error in reversed(mode.errors)}
        for code, count in mode.codes.items():
            if code not in _ANSWERS_UNDER_LOAD:
                problems.append(f"{mode.name}: {quantity(count, 'request')} ended in {code}: {texts.get(code, '')}")
    return problems


def _served(model: ServedModel, study: CallersStudy) -> Served:
    album = study.albums[model.paradigm]
    return Served(
        paradigm=model.paradigm,
        model=model.name,
        num_images=len(album),
        samples_png=album.samples_png(SAMPLES_PER_CLASS),
        num_samples_per_class=min(SAMPLES_PER_CLASS, album.num_per_class),
        quality=study.quality.get(model.paradigm),
    )
