"""Figures of rounds, the bars that judge them, and their page."""

import numpy as np
import pytest

from benchmarks.harness.figures import NOW, Bar, Figures
from benchmarks.harness.load import LoadFailed, Run
from benchmarks.harness.results import are_met, dump, page, read
from benchmarks.peers.installing import CannotSetUp
from tandem.measure.results.record import REQUEST

BAR = Bar("errors", ("a", "b"), 0.1, 0.05, "%")


def figures_of(**values: list[float]) -> Figures:
    figures = Figures()
    for name, rounds in values.items():
        for value in rounds:
            figures.add(name, NOW, value)
    return figures


@pytest.mark.parametrize(
    ("is_floor", "values", "worst", "is_met"),
    [
        (False, {"a": [0.02, 0.04, 0.03], "b": [-0.2]}, -0.2, False),
        (False, {"a": [0.02], "b": [-0.1]}, -0.1, True),
        (True, {"a": [0.2], "b": [0.05]}, 0.05, False),
        (False, {"a": [0.02]}, None, None),
        (False, {"a": [0.02], "b": [float("nan")]}, None, None),
    ],
)
def test_the_worst_figure_decides_whatever_its_sign(is_floor, values, worst, is_met):
    judged = Bar("errors", ("a", "b"), 0.1, 0.05, "%", is_floor).judge(figures_of(**values).spreads())
    assert (judged["worst"] and judged["worst"].value) == worst
    assert judged["is_met"] is is_met


def test_a_turn_that_breaks_off_is_a_failure_and_the_page_has_all_there_is(tmp_path):
    figures = figures_of(a=[0.2, 0.3], b=[0.1])
    figures.add("1x1.rate", "other", 2.5)
    figures.add("1x1.rate", NOW, 3.5)

    def fail():
        raise LoadFailed("first\nlast words")

    def lack():
        raise CannotSetUp("cannot be had")

    assert figures.attempt("round 1, other", fail) is None
    assert figures.attempt("peer", lack) is None
    document = figures.document("trial", 2, bars=[BAR])
    assert not are_met(document)
    path = tmp_path / "trial.json"
    path.write_text(dump(document))
    text = page("trial", read(path))
    for part in (
        "- left out: peer: cannot be had",
        "- broken off: round 1, other: last words",
        "| errors | 25.0 (20.0-30.0) % | <= 10 % | 5 % | **no** |",
        "| figure | other | now |",
        "| 1x1.rate | 2.5 | 3.5 |",
    ):
        assert part in text


def run_of(due: list[float], seconds: list[float], outcomes: list[int]) -> Run:
    rows = np.zeros(len(due), REQUEST)
    rows["intended"] = rows["sent"] = due
    rows["ended"], rows["outcome"] = np.array(due) + seconds, outcomes

    class Result:
        class record:
            requests = rows

    return Run(Result)


@pytest.mark.parametrize(
    ("seconds", "outcomes", "share"),
    [
        ([0.5] * 400, [0] * 400, 1.0),
        ([place / 400 for place in range(400)], [0] * 400, 0.8),  # a queue that grows
        ([0.001] * 400, [0, 1] * 200, 0.5),
    ],
)
def test_what_did_not_keep_up_or_failed_was_not_delivered(seconds, outcomes, share):
    assert run_of([place / 100 for place in range(400)], seconds, outcomes).delivered_share() == pytest.approx(
        share, abs=0.02
    )
