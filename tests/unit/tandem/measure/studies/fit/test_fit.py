"""Services whose curves are known: from a record to slices; found again, within the intervals; and their capacity."""

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from tandem.measure.generator.generator import BrokenOff
from tandem.measure.generator.run import RunResult
from tandem.measure.results.crossover import Crossover
from tandem.measure.results.files import read_as
from tandem.measure.scenario import Scenario
from tandem.measure.studies.fit import service
from tandem.measure.studies.fit.capacity import carried
from tandem.measure.studies.fit.service import in_flight, observe, resample
from tests.unit.tandem.measure.records import record, row
from tests.unit.tandem.measure.studies.fit.simulated import LENGTH, MOST, Imagined, fit, told_of, usual
from tests.unit.tandem.measure.studies.fit.test_capacity import Machine, together

SEQUENTIAL = told_of(prefill=0.1, decode=0.8, encode=0.1, backend_total=1.0, batch_size=3.0)


def drawn(number: int, **values: object) -> object:
    return row(number, float(number), 1.2, told=SEQUENTIAL, num_outputs=9, **values)


def test_a_sequential_request_is_steps_and_the_rest() -> None:
    seen = observe(record([drawn(number) for number in range(40)]), "sequential", 0)  # type: ignore[misc]
    assert len(seen["batch"]) == 10
    assert seen["unit_seconds"] == pytest.approx(0.8 / 8)
    assert seen["rest_seconds"] == pytest.approx(1.2 - 9 * 0.1)
    assert seen["whole_seconds"] == pytest.approx(1.2)
    assert seen["batch"] == pytest.approx(3.0)


def test_the_number_in_flight_is_averaged_over_a_life() -> None:
    rows = record([row(0, 0.0, 4.0), row(1, 1.0, 2.0), row(2, 10.0, 1.0)]).requests
    assert in_flight(rows, rows) == pytest.approx([1.5, 2.0, 1.0])


def test_warm_up_and_what_failed_are_left_out_but_count_as_in_flight() -> None:
    rows = [row(0, -5.0, 20.0, told=SEQUENTIAL, num_outputs=9)]
    rows += [drawn(number) for number in range(4)]  # type: ignore[misc]
    seen = observe(record(rows), "sequential", 0)
    assert sum(seen["length"] > 0) == 4
    assert seen["in_flight"].min() >= 2.0


def test_without_timings_there_is_nothing_to_fit() -> None:
    with pytest.raises(ValueError, match="sequential: 0 requests, of two outputs or more, ended well"):
        observe(record([row(number, 0.0, 1.0) for number in range(9)]), "sequential", 0)


def test_runs_stay_apart_when_resampled() -> None:
    parts = [observe(record([drawn(number) for number in range(20)]), "sequential", run) for run in range(3)]  # type: ignore[misc]
    seen = resample(np.concatenate(parts), np.random.default_rng(0))
    assert np.unique(seen["run"], return_counts=True)[1].tolist() == [10, 10, 10]


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
