"""From all that was seen in a comparison to its document."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version

import numpy as np

from bench.compare.capacity import from_curve
from bench.compare.contrasts import contrasts_alone, contrasts_under_load
from bench.compare.document import (
    Capacity,
    Comparison,
    Contrast,
    Energy,
    Judgement,
    Point,
    Quality,
    Served,
    Settings,
    WayResult,
)
from bench.compare.points import alone, point
from bench.compare.run import SAMPLES_PER_CLASS, Findings
from bench.compare.visit import Meters, Stay
from bench.compare.ways import Pair, Way
from bench.load.document import ErrorText
from bench.load.machine import this_machine
from bench.load.record import Record
from bench.load.results import CODE_NAMES
from tandem.client.channels import is_loopback

MAX_CLIENT_CPU_SHARE = 0.9
_MAX_ERROR_TEXTS = 10
# Statuses that are an answer of a server under load: they are told, but nothing is wrong.
_ANSWERS_UNDER_LOAD = ("OK", "RESOURCE_EXHAUSTED")


def comparison(
    address: str,
    pair: Pair,
    settings: Settings,
    meters: Meters,
    findings: Findings,
    quality: Mapping[str, Quality],
    judgement: Judgement,
    searched: Mapping[str, Capacity],
) -> Comparison:
    """Return the document; `quality` by paradigm, `searched` by way."""
    ways = tuple(_way_result(way, settings, findings, searched) for way in pair.ways())
    is_here = is_loopback(address)
    return Comparison(
        tool_version=version("tandem-serving"),
        address=address,
        is_local=is_here,
        is_partial=bool(findings.stop_reason),
        problems=tuple(_problems(findings, ways)),
        caveats=tuple(_caveats(is_here, findings, ways)),
        started_at=findings.started_at,
        seconds=findings.seconds,
        machine=this_machine(),
        models=pair.models,
        class_names=pair.class_names,
        settings=settings,
        ways=ways,
        contrasts=(
            *contrasts_alone(findings.rounds, settings.confidence),
            *_under_load(pair, settings, findings),
        ),
        served=tuple(_served(model.paradigm, model.name, findings, quality) for model in pair.models),
        judgement=judgement,
        energy=Energy(meters=meters.energy.names, idle_watts=findings.idle_watts, note=meters.energy.note),
        cpu_sources=meters.cpu.sources,
    )


def _way_result(way: Way, settings: Settings, findings: Findings, searched: Mapping[str, Capacity]) -> WayResult:
    curve = tuple(_curve(way, settings, findings))
    codes, errors = _endings(_records(way, findings))
    return WayResult(
        name=way.name,
        paradigm=way.work.paradigm,
        delivery=way.work.delivery,
        rpc=way.work.rpc,
        model=way.work.model,
        alone=alone(way, findings.rounds, settings.confidence),
        curve=curve,
        capacity=searched.get(way.name) or (from_curve(curve, settings.slo_seconds) if curve else None),
        codes=codes,
        errors=errors,
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


def _under_load(pair: Pair, settings: Settings, findings: Findings) -> Iterator[Contrast]:
    for concurrency in sorted(settings.concurrencies):
        yield from contrasts_under_load(concurrency, _stays(findings, concurrency), settings.confidence)


def _records(way: Way, findings: Findings) -> list[Record]:
    of_rounds = [done.replies[way.name].record for done in findings.rounds]
    return of_rounds + [stay.record for _, stay in findings.stays if stay.way.name == way.name]


def _endings(records: Sequence[Record]) -> tuple[dict[str, int], tuple[ErrorText, ...]]:
    codes: Counter[str] = Counter()
    texts: Counter[tuple[str, str]] = Counter()
    for record in records:
        numbers, counts = np.unique(record.requests["code"], return_counts=True)
        codes.update(
            {CODE_NAMES[number]: count for number, count in zip(numbers.tolist(), counts.tolist(), strict=True)}
        )
        for (_, code, text), count in record.error_texts.items():
            texts[code, text] += count
    found = [
        ErrorText(code=code, text=text, count=count) for (code, text), count in texts.most_common(_MAX_ERROR_TEXTS)
    ]
    return dict(codes), tuple(found)


def _problems(findings: Findings, ways: Sequence[WayResult]) -> Iterator[str]:
    if findings.stop_reason:
        yield findings.stop_reason
    for way in ways:
        texts = {error.code: error.text for error in reversed(way.errors)}
        for code, count in way.codes.items():
            if code not in _ANSWERS_UNDER_LOAD:
                yield f"{way.name}: {count:,} requests ended in {code}: {texts.get(code, '')}"


def _caveats(is_here: bool, findings: Findings, ways: Sequence[WayResult]) -> Iterator[str]:
    if is_here:
        yield "The client ran on the same machine as the servers and took CPU time from them."
    shares = {(way.name, each.concurrency): each.client_cpu_share for way in ways for each in way.curve}
    busy = [f"{name} with {number} callers" for (name, number), share in shares.items() if share > MAX_CLIENT_CPU_SHARE]
    if busy:
        yield f"The client itself was the limit, above {MAX_CLIENT_CPU_SHARE:.0%} of a core: {', '.join(busy)}."
    refused = sum(way.codes.get("RESOURCE_EXHAUSTED", 0) for way in ways)
    if refused:
        yield f"{refused:,} requests were refused because a queue was full; their callers asked again 0.1 s later."
    num_rounds = len({number for number, _ in findings.stays})
    if any(each.images_per_second.method == "range" for way in ways for each in way.curve):
        yield f"Ranges under load are the least and the greatest of {num_rounds} rounds, not confidence intervals."
    if any(way.capacity and way.capacity.method == "curve" for way in ways):
        yield "Capacity is read off the closed loop's points; uneven arrivals of an open loop need some reserve."


def _served(paradigm: str, model: str, findings: Findings, quality: Mapping[str, Quality]) -> Served:
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
