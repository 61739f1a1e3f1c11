"""A server whose steps cost what they are said to, and what a study of it would have seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tandem.measure.meters.cpu import CpuMeter
from tandem.measure.results.comparison import CpuSource
from tandem.measure.results.record import Record
from tandem.measure.results.text import Settings, TextStudy
from tandem.measure.results.value import Value
from tandem.measure.studies.text.document import text_document
from tandem.measure.studies.text.study import AskedMode, ModesStudy, TextTrial
from tests.unit.tandem.measure.records import record, row
from tests.unit.tandem.measure.studies.comparison.seen import METER, model

LEAST_SECONDS, ROW_SECONDS = 0.02, 0.0004
LIMIT = 25.0
"""Up to so many callers any number of tokens a step pays: 2 K rows cost as much as K steps of LEAST_SECONDS then."""
DRAFTING = 4
"""With so many callers at most the server drafts."""
REST_SECONDS = 0.002
NUM_TEXTS = 40
MODEL = model("sequential", "imagined-text", modality="text", takes_steps=True, num_instances=1, max_context_tokens=512)


def step_seconds(rows: float) -> float:
    return max(LEAST_SECONDS, ROW_SECONDS * rows)


class Source:
    """Sends nothing."""

    address = "127.0.0.1:1"


def work_of(mode: AskedMode, callers: int) -> tuple[float, float]:
    """Return tokens and rows that a step has of one sequence."""
    if mode.tokens_per_step is None:
        return (2.0, 3.0) if callers <= DRAFTING else (1.0, 1.0)
    return float(mode.tokens_per_step), 1.0 if mode.tokens_per_step == 1 else 2.0 * mode.tokens_per_step


def seen(callers: int, text_seconds: float) -> Record:
    """Return texts of such a load, all computing but for the rest."""
    told = (0.0, text_seconds / 10, 0.0, text_seconds * 0.9, 0.0, 0.0, text_seconds, float(callers))
    whole = text_seconds + REST_SECONDS
    rows = (row(number, 0.0, whole, num_outputs=64, first_output=whole / 9, told=told) for number in range(NUM_TEXTS))
    return record(list(rows))


def trial(mode: AskedMode, callers: int, tokens: int, cost: Callable[[float], float], pace: float = 1.0) -> TextTrial:
    a_step, rows = work_of(mode, callers)
    steps = tokens / a_step
    text_seconds = steps * cost(rows * callers) * pace
    seconds = NUM_TEXTS * (text_seconds + REST_SECONDS) / callers
    counted = np.array([NUM_TEXTS * steps, NUM_TEXTS * steps * rows])
    spent = (seconds, 0.1 * seconds, 0.8 * seconds, 0.1 * seconds)
    return TextTrial(mode, callers, seen(callers, text_seconds), *spent, NUM_TEXTS * tokens, seconds, counted)


def study(cost: Callable[[float], float] = step_seconds, num_rounds: int = 3, **given: Any) -> ModesStudy:
    """Return rounds, each some percent slower than the one before; `given` are other fields."""
    fields: dict[str, Any] = {"source": Source(), "model": MODEL, "prompts": (), "meter": METER}
    fields |= {"settings": Settings(), **given}
    made = ModesStudy(**fields)
    made.trials = [
        (number, trial(mode, callers, made.settings.new_tokens, cost, 1 + number / 50))
        for number in range(num_rounds)
        for mode in made.modes
        for callers in made.settings.concurrencies
    ]
    if "bits" in given:
        return made
    a_token = [Value(value=2.0 + 0.3 * number, count=4) for number in made.settings.tokens_per_step]
    bits = zip(made.settings.tokens_per_step, ((bits, bits) for bits in a_token), strict=True)
    made.bits = (dict(bits), 720)
    return made


def unmetered() -> ModesStudy:
    """Return what is seen of a server that tells nothing of its work."""
    note = CpuSource(process="sequential backend", metrics_address=None, is_known=False, note="it has no page")
    made = study(meter=CpuMeter((note,), {}))
    fields = [(number, vars(one) | {"counted": None}) for number, one in made.trials]
    made.trials = [(number, TextTrial(**one)) for number, one in fields]
    return made


def document(made: ModesStudy | None = None) -> TextStudy:
    return text_document(made or study())
