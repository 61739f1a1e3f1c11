"""What comes out by the number of callers, from the cost of a step's rows."""

import numpy as np
import pytest

from tandem.measure.results.text import Limit
from tandem.measure.statistics.curve import Curve
from tandem.measure.studies.text.prediction import Need, Prediction, StepCost, fit_steps, limit, need_of
from tests.unit.tandem.measure.studies.text.imagined import REST_SECONDS, ROW_SECONDS, seen, step_seconds

STEP = StepCost(Curve(0.02, 0.0, 50.0, 0.0004), 0.0)


def need(callers: float, steps: float = 16.0, rows: float = 1.0, rest: float = 0.0, cost: float = 0.02) -> Need:
    return Need(callers, steps, rows, rest, callers, cost)


def test_a_text_needs_what_was_counted_and_what_it_waited_for() -> None:
    found = need_of(4, seen(4, 0.32).requests, sequence_steps=40 * 16, rows=40 * 16 * 3)
    assert found == pytest.approx((4, 16, 3, REST_SECONDS, 4, 0.02))


def test_the_cost_of_a_step_is_found_where_a_knee_lies_between_the_rows_that_were_seen() -> None:
    rows = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 96.0, 128.0]
    paces = (1.0, 1.0, 5.0)  # in the last round the machine was busy with something else
    needs = [
        [Need(1, 16, own, 0, each / own, step_seconds(each) * pace) for pace in paces]
        for each in rows
        for own in (1, 4)
    ]
    cost, fitted = fit_steps(needs)
    assert cost(300, 1) == pytest.approx(300 * ROW_SECONDS, rel=0.03)
    assert cost.curve.knee == pytest.approx(50, rel=0.1)
    assert cost.sequence_rows == 0
    assert (fitted.x, fitted.shape, fitted.is_good) == ("rows", "knee", True)


def test_what_a_sequence_costs_beside_its_rows_is_found() -> None:
    loads = [(batch, rows) for batch in (1, 4, 16) for rows in (1, 4, 8, 16)]
    needs = [[Need(1, 16, rows, 0, batch, 0.01 + 0.001 * batch * (rows + 4))] for batch, rows in loads]
    cost, fitted = fit_steps(needs)
    assert cost.sequence_rows == pytest.approx(4)
    assert cost(64, 1) == pytest.approx(0.33, rel=0.02)
    assert fitted.shape == "affine"


def test_callers_share_steps_until_their_rows_cost_more() -> None:
    rate = Prediction(STEP, [need(1), need(64)], (1, 64), 16, 1)
    assert [rate(callers) for callers in (1, 10, 50)] == pytest.approx([50, 500, 2500])
    assert rate(100) == pytest.approx(rate(50))  # a row each, at the cost of a row


def test_who_waits_for_the_rest_is_not_in_a_step() -> None:
    rate = Prediction(STEP, [need(1, rest=0.32), need(64, rest=0.32)], (1, 64), 16, 1)
    assert rate(1) == pytest.approx(25)
    assert rate(60) == pytest.approx(1500)  # half of them are away, so that the others stay below the knee


def test_the_rest_is_that_of_the_loads_of_the_fit_alone() -> None:
    needs = [need(1, rest=0.32), need(8, rest=9.0), need(64, rest=0.32)]
    assert Prediction(STEP, needs, (1, 64), 16, 1)(8) == pytest.approx(200)


def test_what_a_text_needs_may_change_with_the_callers() -> None:
    rate = Prediction(STEP, [need(1, steps=4), need(16)], (1, 16), 16, 1)
    assert rate(4) == pytest.approx(4 * 16 / (10 * 0.02))  # half way, on a logarithmic axis


def test_each_engine_has_its_own_steps() -> None:
    one, two = (Prediction(STEP, [need(1), need(64)], (1, 64), 16, engines) for engines in (1, 2))
    assert two(100) == pytest.approx(2 * one(50))
    assert two(1) == one(1)


@pytest.mark.parametrize(
    ("ratios", "kind", "callers"),
    [
        ((2.0, 1.5, 1.2, 1.0), "always", 32),
        ((0.9, 0.8, 0.8, 0.9), "never", 4),
        ((0.9, 2.0, 2.0, 2.0), "always", 32),
        ((2.0, 2.0, 0.5, 1.1), "stops", np.sqrt(8 * 16)),
        ((2.0, 1.0, 0.5, 0.5), "stops", 8),
    ],
)
def test_a_mode_pays_up_to_where_it_falls_below(ratios: tuple[float, ...], kind: str, callers: float) -> None:
    found = limit((4, 8, 16, 32), ratios, 1.0)
    assert (found.kind, found.callers) == (kind, pytest.approx(callers))
    assert isinstance(found, Limit)
