"""Services whose curves are known: found again, within the intervals; their capacity; answers in words."""

import asyncio
import re
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tandem.measure.formats import number
from tandem.measure.generator.generator import BrokenOff
from tandem.measure.report.crossover import answers, capacity_verdict, caveats, fit_verdict
from tandem.measure.report.sentences.audits import problems
from tandem.measure.results.crossover import Crossover, Settings
from tandem.measure.results.files import read_as
from tandem.measure.scenario import Scenario
from tandem.measure.setting_errors import checked as checked_settings
from tandem.measure.studies.crossover import crossover
from tandem.measure.studies.crossover.capacity import capacity, carried
from tandem.measure.studies.crossover.runs import in_turn
from tandem.shared.errors import ExpectedError
from tests.unit.tandem.measure.studies.crossover.simulated import LENGTH, MOST, Imagined, fitted, usual
from tests.unit.tandem.measure.studies.crossover.test_capacity import Machine, run, together


@pytest.fixture(scope="module")
def of_the_usual() -> Crossover:
    return asyncio.run(fitted(usual(), num_trials=8))[0]


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


def test_the_capacity_of_a_service_lies_within_its_interval(of_the_usual: Crossover) -> None:
    for found, base, slope in zip(of_the_usual.capacities, (0.053, 0.0045), (0.0049, 0.0005), strict=True):
        truth = Machine(MOST / (base + MOST * slope), partial(together, base, slope, LENGTH)).capacity(8_000)
        assert found.low_per_second is not None
        assert found.high_per_second is not None
        assert found.low_per_second < truth < found.high_per_second


def test_both_stand_over_some_equal_loads(of_the_usual: Crossover) -> None:
    sequential, parallel = of_the_usual.capacities
    assert [len(each.trials) for each in (sequential, parallel)] == [8, 10]
    shared = {each.rate_per_second for each in parallel.trials[8:]}
    assert shared == {f(carried(sequential, "p50")) for f in (min, max)}


def test_answers_are_of_what_was_measured(of_the_usual: Crossover) -> None:
    texts = {answer.key: answer.text for answer in answers(of_the_usual)}
    sequential, parallel = of_the_usual.capacities
    rows = [carried(each, "p50") for each in (sequential, parallel)]
    rates = sorted(rows[0].keys() & rows[1].keys())
    assert len(rates) == 2
    factors = [rows[0][rate] / rows[1][rate] for rate in rates]
    ends = [f"{number(rate)} images/s" for rate in rates]
    assert texts["p50"].startswith(f"Parallel wins at the 2 loads measured from {ends[0]} to {ends[1]}")
    assert f"{number(factors[0])} at {ends[0]}" in texts["p50"]
    assert capacity_verdict(sequential) in texts["capacity"]
    # n in flight: (4 + 0.5 + 0.5 n - 4) / (1 + 0.1 n) steps.
    ((in_flight, steps),) = re.findall(r"(\d+) requests in flight it could take ([0-9.]+)", texts["length"])
    assert 20 < int(in_flight) <= 64
    assert float(steps) == pytest.approx((0.5 + 0.5 * int(in_flight)) / (1 + 0.1 * int(in_flight)), rel=0.1)
    assert texts["cost"].startswith("Not known here; `tandem bench compare` measures it")


def test_a_rate_that_one_did_not_carry_is_no_footing_for_both(of_the_usual: Crossover) -> None:
    sequential, parallel = of_the_usual.capacities
    missed = sequential.model_copy(
        update={"trials": tuple(run.model_copy(update={"share_within_slo": 0.9}) for run in sequential.trials)}
    )
    found = of_the_usual.model_copy(update={"capacities": (missed, parallel)})
    texts = {answer.key: answer.text for answer in answers(found)}
    assert texts["p99"] == "No rate was measured at which both met the objective."


async def test_a_parallel_model_that_is_slower_is_said_to_lose() -> None:
    slow = Imagined(lambda _: 0.001, lambda _: 0.0001, lambda b: 0.05 + 0.02 * b)
    found, _ = await fitted(slow)
    texts = {answer.key: answer.text for answer in answers(found)}
    assert texts["p99"].startswith("Sequential wins ")


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
    assert problem.startswith("INVALID: the load generator was not good enough in 16 of 16 runs")
    assert {capacity_verdict(each) for each in found.capacities} == {"not known, as no trial was valid"}


async def test_what_is_broken_off_is_kept(tmp_path: Any) -> None:
    class Interrupted(Imagined):
        async def run(self, name: str, scenario: Scenario) -> Any:
            if name.startswith("trial-sequential"):
                raise BrokenOff
            return await super().run(name, scenario)

    found, _ = await fitted(Interrupted(lambda _: 0.004, lambda _: 0.001, lambda b: 0.001 * b))
    assert found.is_partial
    assert found.problems == ("broken off by hand",)
    assert [each.paradigm for each in found.capacities] == ["parallel"]
    assert answers(found) == []
    file = tmp_path / "crossover.json"
    file.write_text(found.model_dump_json())
    assert read_as(file, Crossover) == found


async def test_capacities_need_no_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing_varies(*_: object) -> None:
        raise ExpectedError("batch sizes: only from 1 to 1 measured")

    monkeypatch.setattr(crossover, "fit_service", nothing_varies)
    found, _ = await fitted(usual())
    assert found.services == ()
    assert [each.paradigm for each in found.capacities] == ["sequential", "parallel"]
    assert found.problems == ("no service curves: batch sizes: only from 1 to 1 measured",)
    assert "capacity" in {answer.key for answer in answers(found)}


async def test_a_model_too_slow_for_a_fit_has_a_capacity() -> None:
    """As after climbs that brought a request or none: all that is missing are the curves."""

    class Slow(Imagined):
        async def run(self, name: str, scenario: Scenario) -> Any:
            found = await super().run(name, scenario)
            if not name.startswith("fit-sequential"):
                return found
            return replace(found, record=found.record._replace(requests=found.record.requests[-1:]))

    found, _ = await fitted(Slow(lambda _: 0.004, lambda _: 0.001, lambda b: 0.001 * b))
    assert [each.paradigm for each in found.capacities] == ["sequential", "parallel"]
    assert found.services == ()
    (problem,) = found.problems
    assert problem.startswith("no service curves: sequential: 1 requests, of two outputs or more, ended well in a run")


def test_paradigms_take_turns_and_every_second_round_runs_backwards() -> None:
    settings = Settings(num_rounds=2)  # type: ignore[call-arg]
    assert in_turn(settings) == [(0, "sequential"), (0, "parallel"), (1, "parallel"), (1, "sequential")]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"concurrency": "x"}, "concurrency: 'x' is not accepted"),
        ({"concurrency": 1}, "concurrency: 1 is not accepted: input should be greater than or equal to 2"),
        ({"slo_seconds": -1}, "slo_seconds: -1 is not accepted: input should be greater than 0"),
        ({"num_trials": 0}, "num_trials: 0 is not accepted"),
        ({"climb_seconds": float("inf")}, "climb_seconds: inf is not accepted"),
    ],
)
def test_bad_settings_name_field_value_and_what_is_accepted(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        checked_settings(Settings, values)


@pytest.mark.parametrize(
    ("trials", "text"),
    [
        (((20, 0.999), (30, 0.5)), "between 18.8 and 30/s"),
        (
            ((10, 0.999), (20, 0.999)),
            "at least 18.8/s (at 20/s, the highest rate tried, not all trials missed the objective)",
        ),
        (
            ((40, 0.5), (30, 0.5)),
            "below 30/s (at 30/s, the lowest rate tried, not all trials met the objective)",
        ),
        (
            ((10, 1.0), (20, 0.5), (20, 1.0)),
            "at least 9.41/s (at 20/s, the highest rate tried, not all trials missed the objective); the machine was"
            " not steady: met at 20/s, missed at 20/s",
        ),
        (
            ((10, 1.0), (20, 0.98), (30, 1.0), (40, 0.5)),
            "between 9.41 and 40/s; the machine was not steady: met at 30/s, missed at 20/s",
        ),
        (
            ((20, 0.9), (30, 1.0)),
            "not known, as not all trials at 20/s, the lowest rate tried, met the objective, nor did all at 30/s, the"
            " highest, miss it; the machine was not steady: met at 30/s, missed at 20/s",
        ),
    ],
)
def test_a_capacity_in_words(trials: tuple[tuple[float, float], ...], text: str) -> None:
    assert capacity_verdict(capacity("parallel", "gan", 0.25, [run(*each) for each in trials])) == text


def test_a_capacity_that_is_not_known_says_why() -> None:
    few = [run(rate, 1.0, num_requests=40) for rate in (10, 20)]
    assert capacity_verdict(capacity("parallel", "gan", 0.25, few)) == (
        "not known, as no trial was long enough for 300 requests"
    )


async def test_texts_of_free_length_are_fitted_by_length() -> None:
    found, _ = await fitted(usual(), text_model="imagined-text", trial_seconds=5.0)
    assert found.text is not None
    assert [each.length for each in found.text.lengths] == [8, 16, 32]
    for each in found.text.lengths:
        assert each.relative_residual == pytest.approx(0.0, abs=0.1)
    assert found.text.unit.is_good
    assert answers(found)[-1].text.startswith("Another workload, so no contest: imagined-text takes 1.")
