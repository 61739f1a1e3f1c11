"""What a measurement over steps might have seen, of a model whose steps cost 1 ms each; its document is a real one."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tandem.measure.results.comparison import Comparison, JudgedImages, Judgement
from tandem.measure.studies.comparison.callers import CallersStudy
from tandem.measure.studies.comparison.compare import comparison
from tandem.measure.studies.comparison.modes import Mode, Pair
from tandem.measure.studies.comparison.trials import Trial
from tests.unit.tandem.measure.imagined_quality import judged_images
from tests.unit.tandem.measure.studies.comparison.seen import findings as seen
from tests.unit.tandem.measure.studies.comparison.seen import model, record, settings

STEPS = (1, 2, 4, 8, 12, 24, 49)
MODEL = model("sequential", "sar", tokens_per_image=49, takes_steps=True)
PLAIN = model("sequential", "ar", tokens_per_image=49)
PAIR = Pair(MODEL, model("parallel", "gan"), ("left", "right", "top"), steps=STEPS, plain=PLAIN)
NUM_SCORED = 40
NOTE = Judgement(reason="", data_set="d", num_test_images=9, judge="judge", judge_sha256="0")


def seconds_of(mode: Mode) -> float:
    """Return how long one image takes: 5 ms, and 1 ms a step or token; in parallel 2 ms."""
    return 0.002 if mode.paradigm == "parallel" else 0.005 + 0.001 * (mode.workload.steps or 49)


def excess_bits(steps: int) -> float:
    return 1.8 * steps**-1.6


def bits_of(mode: Mode) -> Any:
    own = np.random.default_rng(1).normal(2.5, 0.5, NUM_SCORED)
    return (
        own - 0.2
        if mode.workload.steps is None
        else own + (excess_bits(mode.workload.steps) if mode.workload.steps < 49 else 0.0)
    )


def judged(fid: float, recall: float, tokenizer: float | None = None) -> JudgedImages:
    return judged_images(fid, 0.3, tokenizer, recall=recall)


def quality_of(mode: Mode) -> JudgedImages:
    """Return that of the steps, worse the fewer; of the plain model, better; in parallel, better still, less varied."""
    if mode.paradigm == "parallel":
        return judged(0.7, 0.8)
    steps = mode.workload.steps
    return judged(1.2, 0.88) if steps is None else judged(1.5 + 30.0 / steps, 0.85 - 0.4 / steps)


def findings(**given: Any) -> CallersStudy:
    modes = PAIR.modes()
    spent = (1.0, 0.1, 0.4, 0.2)  # seconds; CPU of the gateway, the backend and the client
    trials = [
        (number, Trial(mode, callers, record([seconds_of(mode) * callers] * 20), *spent))
        for number in range(2)
        for callers in (1, 4)
        for mode in modes
    ]
    asked = settings(steps=STEPS, num_scored=NUM_SCORED)
    return seen(modes, trials=trials, settings=asked, **given)


@cache
def document(**given: Any) -> Comparison:
    """Return the document of all that; `given` are fields of CallersStudy."""
    modes = PAIR.modes()
    bits = {mode.name: bits_of(mode) for mode in modes if mode.paradigm == "sequential"}
    quality = {mode.drawer: quality_of(mode) for mode in modes}
    predicted = {steps: 2.5 + 1.1 * excess_bits(steps) for steps in (1, 2, 4, 8)} | {STEPS[-1]: 2.5}
    known = {"quality": quality, "judgement": NOTE, "bits": bits, "predicted": predicted}
    return comparison("127.0.0.1:1", PAIR, findings(**known, **given))
