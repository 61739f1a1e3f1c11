"""From all that was seen in a comparison to its document."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tandem.measure.meters.header import header_of
from tandem.measure.results.comparison import (
    Capacity,
    Comparison,
    Contrast,
    Energy,
    ForeignResult,
    JudgedImages,
    Judgement,
    Point,
    Served,
    Settings,
    WayResult,
)
from tandem.measure.results.record import Record, merged
from tandem.measure.studies.comparison.capacity import from_curve
from tandem.measure.studies.comparison.contrasts import Pairs, contrasts_alone, contrasts_under_load
from tandem.measure.studies.comparison.foreign import CONTRASTS as FOREIGN_CONTRASTS
from tandem.measure.studies.comparison.foreign import Foreign
from tandem.measure.studies.comparison.points import alone, point, stream_result
from tandem.measure.studies.comparison.run import SAMPLES_PER_CLASS, Findings
from tandem.measure.studies.comparison.stays import Meters, Stay
from tandem.measure.studies.comparison.ways import CONTRASTS, CONTROLS, Pair, Way

# Statuses that are an answer of a server under load: they are told, but nothing is wrong.
_ANSWERS_UNDER_LOAD = ("OK", "RESOURCE_EXHAUSTED")


def comparison(
    address: str,
    pair: Pair,
    settings: Settings,
    meters: Meters,
    findings: Findings,
    quality: Mapping[str, JudgedImages],
    judgement: Judgement,
    searched: Mapping[str, Capacity],
    foreign: Foreign | None = None,
) -> Comparison:
    """Return the document; `quality` by paradigm, `searched` by way."""
    ways, again, beside = (
        tuple(way_result(way, settings, findings, searched) for way in each)
        for each in (pair.ways(), pair.controls() if settings.control else (), foreign.ways() if foreign else ())
    )
    return Comparison(
        **header_of(
            address,
            pair.models,
            findings.started_at,
            findings.trials.summary(),
            tuple(problems_of(findings, (*ways, *again, *beside))),
            is_partial=bool(findings.stop_reason),
        ),
        seconds=findings.seconds,
        class_names=pair.class_names,
        settings=settings,
        ways=ways,
        contrasts=tuple(_contrasts(CONTRASTS, settings, findings)),
        controls=tuple(_contrasts(CONTROLS, settings, findings)),
        foreign=None if foreign is None else _foreign_result(foreign, beside, settings, findings),
        served=tuple(_served(model.paradigm, model.name, findings, quality) for model in pair.models),
        judgement=judgement,
        energy=Energy(meters=meters.energy.names, idle_watts=findings.idle_watts, note=meters.energy.note),
        cpu_sources=meters.cpu.sources,
    )


def _foreign_result(
    foreign: Foreign, ways: tuple[WayResult, ...], settings: Settings, findings: Findings
) -> ForeignResult:
    return ForeignResult(
        address=foreign.address,
        model=foreign.model,
        num_tokens=foreign.num_tokens,
        ways=ways,
        contrasts=tuple(_contrasts(FOREIGN_CONTRASTS, settings, findings)),
    )


def way_result(way: Way, settings: Settings, findings: Findings, searched: Mapping[str, Capacity]) -> WayResult:
    """Return all that was measured of a way; `searched` by way."""
    curve = tuple(_curve(way, settings, findings))
    records = _records(way, findings)
    ended = stream_result(way, merged(records), 1) if records else None
    return WayResult(
        name=way.name,
        paradigm=way.paradigm,
        delivery=way.work.delivery,
        rpc=way.work.rpc,
        model=way.work.model,
        alone=alone(way, findings.rounds, settings.confidence),
        curve=curve,
        capacity=searched.get(way.name) or (from_curve(curve, settings.slo_seconds) if curve else None),
        codes={} if ended is None else ended.codes,
        errors=() if ended is None else ended.errors,
    )


def _curve(way: Way, settings: Settings, findings: Findings) -> Iterator[Point]:
    for concurrency in sorted(settings.concurrencies):
        stays = _stays(findings, concurrency)[way.name]
        if stays:
            yield point(way, concurrency, stays, settings.confidence)


def _stays(findings: Findings, concurrency: int) -> dict[str, list[tuple[int, Stay]]]:
    """Return the stays with at least one image, by way, with the numbers of their rounds."""
    found: dict[str, list[tuple[int, Stay]]] = defaultdict(list)
    for number, stay in findings.stays:
        if stay.concurrency == concurrency and np.any(stay.record.requests["code"] == 0):
            found[stay.way.name].append((number, stay))
    return found


def _contrasts(pairs: Pairs, settings: Settings, findings: Findings) -> Iterator[Contrast]:
    yield from contrasts_alone(pairs, findings.rounds, settings.confidence)
    for concurrency in sorted(settings.concurrencies):
        yield from contrasts_under_load(pairs, concurrency, _stays(findings, concurrency), settings.confidence)


def _records(way: Way, findings: Findings) -> list[Record]:
    of_rounds = [done.replies[way.name].record for done in findings.rounds if way.name in done.replies]
    return of_rounds + [stay.record for _, stay in findings.stays if stay.way.name == way.name]


def problems_of(findings: Findings, ways: Sequence[WayResult]) -> Iterator[str]:
    """Yield what went wrong: why it was broken off, and requests that failed."""
    if findings.stop_reason:
        yield findings.stop_reason
    for way in ways:
        texts = {error.code: error.text for error in reversed(way.errors)}
        for code, count in way.codes.items():
            if code not in _ANSWERS_UNDER_LOAD:
                yield f"{way.name}: {count:,} requests ended in {code}: {texts.get(code, '')}"


def _served(paradigm: str, model: str, findings: Findings, quality: Mapping[str, JudgedImages]) -> Served:
    album = findings.albums[paradigm]
    return Served.model_validate(
        {
            "paradigm": paradigm,
            "model": model,
            "num_images": len(album),
            "samples_png": album.samples_png(SAMPLES_PER_CLASS),
            "num_samples_per_class": min(SAMPLES_PER_CLASS, album.num_per_class),
            "quality": quality.get(paradigm),
        }
    )
