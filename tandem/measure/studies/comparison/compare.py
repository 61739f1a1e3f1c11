"""A comparison from beginning to end: find the pair, make ready, measure, judge, and make the document."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tandem.measure.formats import quantity
from tandem.measure.generator.generator import BROKEN_OFF
from tandem.measure.meters.cpu import CpuMeter, cpu_meter
from tandem.measure.results.comparison import BesideResult, Comparison, Contrast, Judgement, ModeResult, Served
from tandem.measure.results.header import ServedModel
from tandem.measure.results.record import merge
from tandem.measure.studies.comparison.callers import (
    SAMPLES_PER_CLASS,
    Beside,
    CallersStudy,
    pair_beside,
    third_party_beside,
)
from tandem.measure.studies.comparison.modes import CONTRASTS, CONTROLS, Mode, Pair, Request, find_pair, work_of
from tandem.measure.studies.comparison.steps import ask_likelihoods, likelihoods
from tandem.measure.studies.comparison.trials import Series, capacity_of, contrasts_of, point, stream_result
from tandem.measure.studies.study import senders

if TYPE_CHECKING:  # brings onnxruntime, torch and scikit-learn, which a comparison without quality need not wait for
    from tandem.measure.studies.comparison.quality import Assessor


def run_comparison(request: Request, pair: Pair | None = None) -> Comparison:
    """Compare this pair, or else the one that `request` names; what Ctrl-C or a server that is gone cut short is kept,
    and the document says so. Over steps, likelihoods are asked for if images are judged.

    Raises TandemRpcError, TandemError, ModelError, ValueError or OSError if it can't even begin.
    """
    # Not on uvloop: it forks to start the generator's processes, of which grpc complains.
    pair = pair or asyncio.run(find_pair(request.address, request.sequential, request.parallel))
    settings = request.settings.model_copy(update={"steps": pair.steps})
    if not pair.is_matched:
        settings = settings.model_copy(update={"quality_images": 0, "control": False})
    request = replace(request, settings=settings, unjudged=pair.unmatched or request.unjudged)
    judges = None
    if settings.quality_images:
        from tandem.measure.studies.comparison.quality import assessor

        judges = assessor(request.judge, request.reference, pair)
    study = asyncio.run(_put_load(request, pair))
    judge(judges, request, study)
    if pair.steps and judges is not None and not study.stop_reason:
        ask_likelihoods(request, pair, judges.reference, study)
    return comparison(request.address, pair, study)


async def _put_load(request: Request, pair: Pair) -> CallersStudy:
    """Put load on all modes and on what is measured beside them."""
    modes = (*pair.modes(), *(pair.controls() if request.settings.control else ()))
    meter = await cpu_meter(request.address, request.metrics)
    foreign, model = request.foreign or ("", "")
    async with senders(request.address, foreign, request.beside) as (source, other, twin):
        study = CallersStudy(source=source, meter=meter, modes=modes, settings=request.settings)
        study.on_stage, study.on_image = request.on_stage, request.on_image
        if foreign:
            study.foreign = await third_party_beside(other, model, pair)
        if request.beside:
            study.beside = await pair_beside(twin, pair, await cpu_meter(request.beside, {}))
        await study.measure()
    return study


def judge(judges: Assessor | None, request: Request, study: CallersStudy) -> None:
    """Keep the quality of what was served, by drawer; Ctrl-C ends it."""
    if judges is None or study.stop_reason:
        reason = study.stop_reason if judges else request.unjudged
        study.judgement = Judgement(reason=reason) if reason else study.judgement
        return
    try:
        models = {mode.drawer: mode.model.name for mode in study.modes}
        most = request.settings.quality_images
        study.quality, study.judgement = judges.assess(study.albums, models, most, request.on_stage)
    except KeyboardInterrupt:
        study.stop_reason, study.judgement = BROKEN_OFF, Judgement(reason=BROKEN_OFF)


# Statuses that are an answer of a server under load: they are told, but nothing is wrong.
_ANSWERS_UNDER_LOAD = ("OK", "RESOURCE_EXHAUSTED")
# Of models that do different work: within each.
_OWN_CONTRASTS = tuple(pair for pair in CONTRASTS if pair[0].split()[0] == pair[1].split()[0])


def comparison(address: str, pair: Pair, study: CallersStudy) -> Comparison:
    """Return the document."""
    modes = pair.modes()
    drawing = {mode.drawer: mode for mode in modes}
    again = pair.controls() if study.settings.control else ()
    results, controls = (tuple(mode_result(study, mode) for mode in some) for some in (modes, again))
    foreign, beside = (_beside_result(study, one) for one in (study.foreign, study.beside))
    theirs = [mode for one in (foreign, beside) if one for mode in one.modes]
    return Comparison(
        **study.header(address, _with_replicas(pair.models, study.meter), problems_of((*results, *controls, *theirs))),
        kind="steps" if pair.steps else "comparison",
        seconds=study.seconds,
        class_names=pair.class_names,
        is_matched=pair.is_matched,
        work={model.paradigm: work_of(model) for model in pair.models},
        settings=study.settings,
        modes=results,
        contrasts=_contrasts(study, CONTRASTS if pair.is_matched else _OWN_CONTRASTS) if not pair.steps else (),
        controls=_contrasts(study, CONTROLS),
        foreign=foreign,
        beside=beside,
        served=tuple(images_served(mode, study) for mode in drawing.values()),
        num_scored=max(map(len, study.bits.values()), default=0),
        judgement=study.judgement,
        cpu_sources=study.meter.sources,
    )


def _beside_result(study: CallersStudy, beside: Beside | None) -> BesideResult | None:
    if beside is None:
        return None
    first = beside.modes[0]
    return BesideResult(
        address=beside.source.address,
        form=first.form,
        num_tokens=first.workload.output_tokens.parameters[0] if first.is_foreign else None,
        models=_with_replicas(beside.models, beside.meter),
        modes=tuple(mode_result(study, mode) for mode in beside.modes),
        contrasts=_contrasts(study, beside.contrasts),
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
        {
            number: trial
            for number, trial in study.trials
            if (trial.mode.name, trial.concurrency) == (name, concurrency)
            and np.any(trial.record.requests["code"] == 0)
        }
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


def images_served(mode: Mode, study: CallersStudy) -> Served:
    """Return the images of what draws in this mode."""
    album = study.albums[mode.drawer]
    return Served(
        paradigm=mode.paradigm,
        model=mode.model.name,
        steps=mode.workload.steps,
        num_images=len(album),
        samples_png=album.samples_png(SAMPLES_PER_CLASS),
        num_samples_per_class=min(SAMPLES_PER_CLASS, album.num_per_class),
        quality=study.quality.get(mode.drawer),
        **likelihoods(mode, study),
    )
