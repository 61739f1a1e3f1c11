"""Services whose curves are known: found again, within the intervals; and their capacity."""

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tandem.measure.generator.generator import BrokenOff
from tandem.measure.generator.run import RunResult
from tandem.measure.results.crossover import Crossover
from tandem.measure.results.files import read_as
from tandem.measure.scenario import Scenario
from tandem.measure.studies.fit import service
from tandem.measure.studies.fit.capacity import carried
from tests.unit.tandem.measure.studies.fit.simulated import LENGTH, MOST, Imagined, fit, usual
from tests.unit.tandem.measure.studies.fit.test_capacity import Machine, together


@pytest.fixture(scope="module")
def of_the_usual() -> Crossover:
    return asyncio.run(fit(usual(), num_trials=8))


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals matter to the usual services alone, which were fitted before this."""
    monkeypatch.setattr(service, "NUM_DRAWS", 10)


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


async def test_a_service_that_is_no_such_curve_is_called_poor() -> None:
    def jumps(batch: float) -> float:
        return 0.001 if batch < 6 or batch > 30 else 0.01

    found = await fit(Imagined(lambda _: 0.004, jumps, lambda b: 0.0005 + 0.0005 * b))
    sequential = found.services[0]
    assert not sequential.unit.is_good


async def test_runs_of_a_poor_generator_are_told_of_and_check_nothing() -> None:
    services = usual()
    services.is_good_generator = False
    found = await fit(services)
    assert len(found.audits.invalid) == found.audits.num_runs == 16
    assert {(one.low_per_second, one.high_per_second) for one in found.capacities} == {(None, None)}


async def test_what_is_broken_off_is_kept(tmp_path: Any) -> None:
    class Interrupted(Imagined):
        async def run(self, scenario: Scenario, **_: Any) -> RunResult:
            if scenario.seed >= 100_000 and scenario.workloads[0].kind == "image":
                raise BrokenOff
            return await super().run(scenario)

    found = await fit(Interrupted(lambda _: 0.004, lambda _: 0.001, lambda b: 0.001 * b))
    assert found.is_partial
    assert found.problems == ("broken off by hand",)
    assert [each.paradigm for each in found.capacities] == ["parallel"]
    file = tmp_path / "crossover.json"
    file.write_text(found.model_dump_json())
    assert read_as(file, Crossover) == found


async def test_a_model_too_slow_for_a_fit_has_a_capacity() -> None:
    """As after climbs that brought a request or none: all that is missing are the curves."""

    class Slow(Imagined):
        async def run(self, scenario: Scenario, **_: Any) -> RunResult:
            found = await super().run(scenario)
            if not (scenario.is_ramp and scenario.workloads[0].kind == "image"):
                return found
            return replace(found, record=found.record._replace(requests=found.record.requests[-1:]))

    found = await fit(Slow(lambda _: 0.004, lambda _: 0.001, lambda b: 0.001 * b))
    assert [each.paradigm for each in found.capacities] == ["sequential", "parallel"]
    assert found.services == ()
    (problem,) = found.problems
    assert problem.startswith("no service curves: sequential: 1 requests, of two outputs or more, ended well in a run")


async def test_texts_of_free_length_are_fitted_by_length() -> None:
    found = await fit(usual(), text_model="imagined-text", trial_seconds=5.0)
    assert found.text is not None
    assert [each.length for each in found.text.lengths] == [8, 16, 32]
    for each in found.text.lengths:
        assert each.relative_residual == pytest.approx(0.0, abs=0.1)
    assert found.text.unit.is_good
