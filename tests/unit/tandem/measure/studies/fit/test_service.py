"""From a record to slices."""

import numpy as np
import pytest

from tandem.measure.studies.fit.service import in_flight, join, observe
from tests.unit.tandem.measure.records import record, row
from tests.unit.tandem.measure.studies.fit.simulated import told_of

SEQUENTIAL = told_of(prefill=0.1, decode=0.8, encode=0.1, backend_total=1.0, batch_size=3.0)


def drawn(number: int, **values: object) -> object:
    return row(number, float(number), 1.2, told=SEQUENTIAL, num_outputs=9, **values)


def test_a_sequential_request_is_steps_and_the_rest() -> None:
    seen = observe(record([drawn(number) for number in range(40)]), "sequential", 0)  # type: ignore[misc]
    assert len(seen.batch) == 10
    assert seen.unit_seconds == pytest.approx(0.8 / 8)
    assert seen.rest_seconds == pytest.approx(1.2 - 9 * 0.1)
    assert seen.whole_seconds == pytest.approx(1.2)
    assert seen.batch == pytest.approx(3.0)


def test_the_number_in_flight_is_averaged_over_a_life() -> None:
    rows = record([row(0, 0.0, 4.0), row(1, 1.0, 2.0), row(2, 10.0, 1.0)]).requests
    assert in_flight(rows, rows) == pytest.approx([1.5, 2.0, 1.0])


def test_warm_up_and_what_failed_are_left_out_but_count_as_in_flight() -> None:
    rows = [row(0, -5.0, 20.0, told=SEQUENTIAL, num_outputs=9)]
    rows += [drawn(number) for number in range(4)]  # type: ignore[misc]
    seen = observe(record(rows), "sequential", 0)
    assert sum(seen.length > 0) == 4
    assert seen.in_flight.min() >= 2.0


def test_without_timings_there_is_nothing_to_fit() -> None:
    with pytest.raises(ValueError, match="sequential: 0 requests, of two outputs or more, ended well"):
        observe(record([row(number, 0.0, 1.0) for number in range(9)]), "sequential", 0)


def test_runs_stay_apart_when_resampled() -> None:
    parts = [observe(record([drawn(number) for number in range(20)]), "sequential", run) for run in range(3)]  # type: ignore[misc]
    seen = join(parts).resampled(np.random.default_rng(0))
    assert np.unique(seen.run, return_counts=True)[1].tolist() == [10, 10, 10]
