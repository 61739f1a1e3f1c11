"""Services whose curves are known: found again, within the intervals; predictions that come true; answers in words."""

import asyncio
import re
from typing import Any

import pytest

from tandem.measure.formats import number
from tandem.measure.report.sentences.audits import problems
from tandem.measure.report.sentences.crossover import answers, bracket, capacity_verdict, caveats, fit_verdict
from tandem.measure.results.crossover import Crossover, HeldOut, Settings
from tandem.measure.results.files import read_as
from tandem.measure.results.value import Value
from tandem.measure.scenario import Scenario
from tandem.measure.setting_errors import checked as checked_settings
from tandem.measure.studies.crossover.prediction import checked, measured_bracket
from tandem.measure.studies.crossover.runs import BrokenOff, in_turn, rates
from tests.unit.tandem.measure.studies.crossover.simulated import LENGTH, Imagined, fitted, usual


@pytest.fixture(scope="module")
def of_the_usual() -> Crossover:
    return asyncio.run(fitted(usual()))[0]


def test_known_parameters_are_within_their_intervals(of_the_usual: Crossover) -> None:
    found = of_the_usual
    sequential, parallel = found.services
    for interval, true in (
        (sequential.unit.base_seconds, 0.001),
        (sequential.unit.slope_seconds, 0.0001),
        (parallel.unit.base_seconds, 0.0005),
        (parallel.unit.slope_seconds, 0.0005),
        (sequential.whole.base_seconds, 0.004 + LENGTH * 0.001),
        (parallel.whole.slope_seconds, 0.0005),
    ):
        assert interval.low <= interval.value <= interval.high
        assert interval.value == pytest.approx(true, rel=0.1)
        slack = 0.05 * true  # of twenty intervals one may miss
        assert interval.low - slack <= true <= interval.high + slack
    assert sequential.num_steps == LENGTH
    assert all(curve.is_good for each in found.services for curve in (each.unit, each.rest, each.whole))
    assert found.problems == ()


def test_the_prediction_comes_true(of_the_usual: Crossover) -> None:
    for capacity in of_the_usual.capacities:
        assert capacity.error is not None
        assert abs(capacity.error) <= 0.15
        assert capacity.predicted_per_second.value > 0
        # Near the capacity a per cent more or less of it is another queue.
        steady = [run for run in capacity.held_out if run.rate_per_second < 0.9 * capacity.predicted_per_second.value]
        assert len(steady) >= 3
        for run in steady:
            assert run.measured_p50_seconds == pytest.approx(run.predicted_p50_seconds, rel=0.15)


def test_answers_are_of_what_was_measured(of_the_usual: Crossover) -> None:
    texts = {answer.key: answer.text for answer in answers(of_the_usual)}
    sequential, parallel = of_the_usual.capacities
    rate = sequential.held_out[0].rate_per_second
    shared = next(run for run in parallel.held_out if run.rate_per_second == rate)
    factor = (sequential.held_out[0].measured_p50_seconds or 0.0) / (shared.measured_p50_seconds or 1.0)
    assert texts["p50"] == f"Parallel wins at {number(rate)} images/s, by a factor of {number(factor)}."
    assert bracket(sequential.measured_low_per_second, sequential.measured_high_per_second) in texts["capacity"]
    # 64 in flight: (4 + 0.5 + 32 - 4) / 7.4 steps.
    (steps,) = re.findall(r"at 64 in flight it could take ([0-9.]+)", texts["length"])
    assert float(steps) == pytest.approx(4.39, rel=0.1)
    assert texts["cost"].startswith("Not known here; `tandem bench compare` measures it")


def test_a_rate_that_one_did_not_carry_is_no_footing_for_both(of_the_usual: Crossover) -> None:
    sequential, parallel = of_the_usual.capacities
    missed = sequential.model_copy(
        update={
            "held_out": tuple(run.model_copy(update={"measured_share_within_slo": 0.9}) for run in sequential.held_out)
        }
    )
    found = of_the_usual.model_copy(update={"capacities": (missed, parallel)})
    texts = {answer.key: answer.text for answer in answers(found)}
    assert texts["p99"] == "No rate was measured at which both met the objective."


async def test_a_parallel_model_that_is_slower_is_said_to_lose() -> None:
    slow = Imagined(lambda _: 0.001, lambda _: 0.0001, lambda b: 0.05 + 0.02 * b)
    found, _ = await fitted(slow)
    texts = {answer.key: answer.text for answer in answers(found)}
    assert texts["p99"].startswith("Sequential wins at ")


async def test_a_service_that_is_no_such_curve_is_called_poor() -> None:
    def jumps(batch: float) -> float:
        return 0.001 if batch < 6 or batch > 30 else 0.01

    found, _ = await fitted(Imagined(lambda _: 0.004, jumps, lambda b: 0.0005 + 0.0005 * b))
    sequential = found.services[0]
    assert not sequential.unit.is_good
    assert fit_verdict(sequential.unit).startswith("POOR: at ")
    assert any(caveat.startswith("sequential, unit: POOR") for caveat in caveats(found))
    assert "length" not in {answer.key for answer in answers(found)}


async def test_runs_of_a_poor_generator_are_told_of_and_check_nothing() -> None:
    services = usual()
    services.is_good_generator = False
    found, _ = await fitted(services)
    (problem,) = problems(found)
    assert problem.startswith("INVALID: the load generator was not good enough in 18 of 18 runs")
    assert all(each.error is None for each in found.capacities)
    assert "not checked: no valid held-out run" in capacity_verdict(found.capacities[0])


async def test_what_is_broken_off_is_kept(tmp_path: Any) -> None:
    class Interrupted(Imagined):
        async def run(self, name: str, scenario: Scenario) -> Any:
            if name.startswith("check-parallel"):
                raise BrokenOff("broken off by hand")
            return await super().run(name, scenario)

    found, _ = await fitted(Interrupted(lambda _: 0.004, lambda _: 0.001, lambda b: 0.001 * b))
    assert found.is_partial
    assert found.problems == ("broken off by hand",)
    assert [each.paradigm for each in found.capacities] == ["sequential"]
    assert answers(found) == ()
    file = tmp_path / "crossover.json"
    file.write_text(found.model_dump_json())
    assert read_as(file, Crossover) == found


def test_the_stronger_is_checked_at_the_rates_of_the_weaker_too() -> None:
    assert rates(40.0, 40.0, (0.5, 1.0, 1.5)) == [20.0, 40.0, 60.0]
    assert rates(1000.0, 40.0, (0.5, 1.0, 1.5)) == [20.0, 60.0, 500.0, 1000.0, 1500.0]
    assert rates(70.0, 40.0, (0.5, 1.0, 1.5)) == [20.0, 35.0, 70.0, 105.0]
    assert rates(0.1, 0.1, (0.5,)) == [0.5]


def test_paradigms_take_turns_and_every_second_round_runs_backwards() -> None:
    settings = Settings(num_rounds=2)  # type: ignore[call-arg]
    assert in_turn(settings) == [(0, "sequential"), (0, "parallel"), (1, "parallel"), (1, "sequential")]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"concurrency": "x"}, "concurrency: 'x' is not accepted"),
        ({"concurrency": 1}, "concurrency: 1 is not accepted: input should be greater than or equal to 2"),
        ({"slo_seconds": -1}, "slo_seconds: -1 is not accepted: input should be greater than 0"),
        ({"check_shares": "0.5,9"}, "check_shares.1: '9' is not accepted"),
        ({"climb_seconds": float("inf")}, "climb_seconds: inf is not accepted"),
    ],
)
def test_bad_settings_name_field_value_and_what_is_accepted(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        checked_settings(Settings, values)


def held_out(rate: float, share: float | None, valid: bool = True) -> HeldOut:
    fields: dict[str, Any] = dict.fromkeys(HeldOut.model_fields, 0.0)
    fields |= {"num_requests": 1, "num_failed": 0, "valid": valid, "problems": (), "rate_per_second": rate}
    return HeldOut.model_validate({**fields, "measured_share_within_slo": share})


def test_a_capacity_lies_between_what_met_the_objective_and_what_did_not() -> None:
    runs = [held_out(10, 1.0), held_out(20, 0.995), held_out(30, 0.98), held_out(40, 0.5)]
    assert measured_bracket(runs) == (20, 30)
    assert measured_bracket(runs[:2]) == (20, None)
    assert measured_bracket(runs[2:3]) == (None, 30)
    assert measured_bracket([held_out(10, 1.0, valid=False), held_out(20, None)]) == (None, None)


def test_a_machine_that_was_not_steady_makes_the_bracket_wide_and_is_told_of() -> None:
    runs = [held_out(10, 1.0), held_out(20, 0.98), held_out(30, 1.0), held_out(40, 0.5)]
    predicted = Value(value=25, low=25, high=25, count=1)
    capacity = checked("parallel", 0.25, predicted, runs)
    assert (capacity.measured_low_per_second, capacity.measured_high_per_second, capacity.error) == (10, 40, 0.0)
    assert capacity_verdict(capacity).endswith("the machine was not steady: met at 30/s, missed at 20/s")
    assert "steady" not in capacity_verdict(checked("parallel", 0.25, predicted, [runs[0], runs[3]]))


@pytest.mark.parametrize(
    ("predicted", "rates_met", "rates_missed", "verdict"),
    [
        (100, (85, 100), (115,), "holds: at most 0% too high, at most 13% too low"),
        (100, (50, 85), (100, 115), "REFUTED, by up to 18% too high"),
        (100, (5,), (100, 115), "REFUTED, by an unknown amount too high"),
        (100, (50, 70), (85, 100), "REFUTED, by 18% to 43% too high"),
        (100, (), (50, 100), "REFUTED, by 100% or more too high"),
        (100, (50, 100, 115), (), "REFUTED, by 13% or more too low"),
        (100, (100, 115), (150,), "REFUTED, by 13% to 33% too low"),
        (100, (50, 100), (), "holds: at most 0% too high, more was not tried"),
        (100, (), (150,), "not refuted, and not borne out: no rate met the objective"),
    ],
)
def test_a_prediction_is_judged_by_the_runs_at_and_around_it(
    predicted: float, rates_met: tuple[float, ...], rates_missed: tuple[float, ...], verdict: str
) -> None:
    runs = [*(held_out(rate, 1.0) for rate in rates_met), *(held_out(rate, 0.9) for rate in rates_missed)]
    capacity = checked("parallel", 0.25, Value(value=predicted, count=1), runs)
    assert capacity_verdict(capacity).endswith(f": {verdict}")


def test_a_bracket_in_words() -> None:
    assert (bracket(20, 1030.2), bracket(20, None), bracket(None, 30)) == (
        "between 20 and 1,030/s",
        "at least 20/s",
        "below 30/s",
    )


async def test_texts_of_free_length_are_fitted_by_length() -> None:
    found, _ = await fitted(usual(), text_model="imagined-text", check_seconds=5.0)
    assert found.text is not None
    assert [each.length for each in found.text.lengths] == [8, 16, 32]
    for each in found.text.lengths:
        assert each.relative_residual == pytest.approx(0.0, abs=0.1)
    assert found.text.unit.is_good
    assert answers(found)[-1].text.startswith("Another workload, so no contest: imagined-text takes 1.")
