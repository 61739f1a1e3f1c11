"""What a comparison might have seen, made by hand: requests that took so many seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tandem.measure.meters.cpu import CpuMeter
from tandem.measure.results.comparison import ALONE, Comparison, Settings
from tandem.measure.results.header import ServedModel
from tandem.measure.results.record import Outcome, Record, Use
from tandem.measure.studies.comparison.callers import CallersStudy
from tandem.measure.studies.comparison.compare import comparison
from tandem.measure.studies.comparison.modes import Mode, Pair
from tandem.measure.studies.comparison.trials import Trial
from tests.unit.tandem.measure.records import NOT_REPORTED, Ended, Recorder

NUM_CLASSES = 3
METER = CpuMeter((), {})


def model(paradigm: str, name: str, **given: Any) -> ServedModel:
    fields = {"modality": "image", "licence": "MIT", "num_classes": NUM_CLASSES, "image_shape": (4, 4, 1)}
    return ServedModel.model_validate({**fields, "paradigm": paradigm, "name": name, **given})


PAIR = Pair(model("sequential", "ar"), model("parallel", "gan"), ("left", "right", "top"))
MODES = {mode.name: mode for mode in PAIR.modes()}
NAN = float("nan")
ALL_MODES = MODES | {mode.name: mode for mode in PAIR.controls()}


def settings(**given: Any) -> Settings:
    usual = {"concurrencies": (1, 4), "num_rounds": 2, "quality_images": 0, "control": False}
    return Settings.model_validate({**usual, **given})


def record(seconds: Sequence[float], firsts: Sequence[float] | None = None, failed: int = 0) -> Record:
    """Return requests that took so long, and `failed` ones that ended in UNAVAILABLE."""
    recorder = Recorder(1)
    for number, (took, first) in enumerate(zip(seconds, firsts or seconds, strict=True)):
        recorder.ended(
            Ended(number, 0, Outcome.OK, 0, 1, 1, 1, 1, NAN, NAN, True, 0.0, 0.0, first, took, NOT_REPORTED), ()
        )
    for number in range(failed):
        recorder.error_texts[0, "UNAVAILABLE", "gone"] += 1
        row = Ended(1000 + number, 0, Outcome.ERROR, 14, 1, 0, 0, 0, NAN, NAN, True, 0.0, 0.0, NAN, 0.1, NOT_REPORTED)
        recorder.ended(row, ())
    return recorder.record(Use(0.0, 1.0, len(seconds)))


def trial(mode: str, concurrency: int, seconds: Sequence[float], lasted: float = 1.0, **given: Any) -> Trial:
    spent: dict[str, Any] = {"gateway_cpu_seconds": 0.1, "backend_cpu_seconds": 0.4, "client_cpu_seconds": 0.2}
    failed = given.pop("failed", 0)
    spent |= {"seconds": lasted, **given}
    firsts = [took / 2 for took in seconds] if mode == "sequential streamed" else None
    return Trial(ALL_MODES[mode], concurrency, record(seconds, firsts, failed), **spent)


def one_caller(num_rounds: int, count: int = 20, **seconds: float) -> list[tuple[int, Trial]]:
    """Return trials of one caller whose images took so long; keys are modes with _ for the blank."""
    return [
        (number, trial(name.replace("_", " "), ALONE, [took] * count))
        for number in range(num_rounds)
        for name, took in seconds.items()
    ]


def findings(modes: Sequence[Mode] = PAIR.modes(), **given: Any) -> CallersStudy:
    """Return what was seen of these modes; `given` are other fields of CallersStudy."""
    fields: dict[str, Any] = {"source": None, "meter": METER, "settings": settings(), **given}
    return CallersStudy(modes=modes, **fields)


def made(study: CallersStudy | None = None) -> Comparison:
    return comparison("127.0.0.1:1", PAIR, study or findings())


def controlled(*shares: float) -> Comparison:
    """Return the document of rounds in which the second of equal calls takes so many times as long as the first."""
    times = {"sequential_streamed": 0.1, "sequential_unary": 0.08, "parallel_streamed": 0.002, "parallel_unary": 0.002}
    trials = []
    for number, share in enumerate(shares):
        again = {"sequential_unary,_again": 0.08 * share, "parallel_unary,_again": 0.002}
        trials += [(number, one) for _, one in one_caller(1, **times, **again)]
    return made(findings(trials=trials, settings=settings(concurrencies=(1,), control=True)))
