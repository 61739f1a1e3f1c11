"""When a bar counts as met."""

from benchmarks.harness.bars import Bar
from benchmarks.harness.figures import Figures, Spreads
from tandem.measure.results.value import Value

_CEILING = Bar("errors", ("first", "second"), 0.1, 0.05, "%")
_FLOOR = Bar("shares", ("first", "second"), 0.95, 1.0, "%", is_floor=True)


def _spreads(**values: list[float]) -> Spreads:
    figures = Figures()
    for name, each in values.items():
        for value in each:
            figures.add(name, "now", value)
    return figures.spreads()


def test_the_worst_figure_decides_whatever_its_sign() -> None:
    spreads = _spreads(first=[0.01, 0.02, 0.03], second=[-0.3, -0.2, -0.1])
    assert _CEILING.worst(spreads, "now") == Value(value=-0.2, low=-0.3, high=-0.1, method="range", count=3)
    assert _CEILING.is_met(spreads, "now") is False
    assert _CEILING.is_met(_spreads(first=[0.1], second=[-0.1]), "now") is True


def test_a_floor_is_judged_by_the_lowest() -> None:
    assert _FLOOR.is_met(_spreads(first=[1.0], second=[0.94]), "now") is False
    assert _FLOOR.is_met(_spreads(first=[1.0], second=[0.95]), "now") is True


def test_a_bar_with_a_figure_that_was_not_measured_is_not_met() -> None:
    assert _CEILING.is_met(_spreads(first=[0.01]), "now") is None
    assert _CEILING.is_met(_spreads(first=[0.01], second=[float("nan")]), "now") is None
    assert _CEILING.is_met(_spreads(first=[0.01], second=[0.01]), "before") is None
