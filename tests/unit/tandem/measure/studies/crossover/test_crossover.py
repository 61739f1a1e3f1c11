"""Services whose curves are known: found again, within the intervals; predictions that come true; answers in words."""

import asyncio
import re
from typing import Any

import pytest

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


def test_answers_name_who_wins_and_by_how_much(of_the_usual: Crossover) -> None:
    texts = {answer.key: answer.text for answer in answers(of_the_usual)}
    assert texts["p50"].startswith("Parallel wins everywhere from ")
    assert "only parallel keeps up" in texts["p50"]
    # One in flight: (4 + 49 * 1.1) / (4 + 1) ms.
    (factor,) = re.findall(r"([0-9.]+) at 1 in flight", texts["batch"])
    assert float(factor) == pytest.approx(11.6, rel=0.03)
    # 64 in flight: (4 + 0.5 + 32 - 4) / 7.4 steps.
    (steps,) = re.findall(r"at 64 in flight it could take ([0-9.]+)", texts["length"])
    assert float(steps) == pytest.approx(4.39, rel=0.1)
    assert texts["cost"].startswith("Not known here; `tandem bench compare` measures it")


async def test_a_parallel_model_that_is_slower_is_said_to_lose() -> None:
    slow = Imagined(lambda _: 0.001, lambda _: 0.0001, lambda b: 0.05 + 0.02 * b)
    found, _ = await fitted(slow)
    texts = {answer.key: answer.text for answer in answers(found)}
    assert texts["p99"].startswith("Sequential wins everywhere from ")
    assert texts["throughput"].startswith("Sequential carries the most")


async def test_a_crossing_is_found() -> None:
    """Below about 20 in flight parallel is faster, above it sequential is."""
    crossing = Imagined(lambda _: 0.001, lambda _: 0.001, lambda b: 0.01 + 0.002 * b)
    found, _ = await fitted(crossing)
    (text,) = (answer.text for answer in answers(found) if answer.key == "batch")
    assert text.startswith("It depends: parallel wins at 1 in flight, sequential from about 19")


async def test_a_service_that_is_no_such_curve_is_called_poor() -> None:
    def jumps(batch: float) -> float:
        return 0.001 if batch < 6 or batch > 30 else 0.01

    found, _ = await fitted(Imagined(lambda _: 0.004, jumps, lambda b: 0.0005 + 0.0005 * b))
    sequential = found.services[0]
    assert not sequential.unit.is_good
    assert fit_verdict(sequential.unit).startswith("POOR: at ")
    assert any(caveat.startswith("sequential, unit: POOR") for caveat in caveats(found))


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
    assert capacity_verdict(capacity).endswith("in keeping; the machine was not steady: met at 30/s, missed at 20/s")
    assert "steady" not in capacity_verdict(checked("parallel", 0.25, predicted, [runs[0], runs[3]]))


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
