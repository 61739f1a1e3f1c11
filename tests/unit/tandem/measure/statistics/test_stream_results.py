"""What a document says, against values computed by hand."""

import numpy as np
import pytest

from tandem.measure.results.record import Outcome, Record, merge
from tandem.measure.results.value import PHASES
from tandem.measure.statistics.quantiles import histogram
from tandem.measure.statistics.stream_results import stream_results, window_seconds
from tandem.shared.metrics import SECONDS_BUCKETS
from tests.unit.tandem.measure.records import record, row
from tests.unit.tandem.measure.scenarios import IMAGES, TEXT, open_scenario

STREAMED = IMAGES.model_copy(update={"delivery": "streamed"})


def results(rows, window=10.0, workloads=(IMAGES,), messages=(), **counts):
    found = record(rows, messages, num_workloads=len(workloads))._replace(
        **{name: np.array(values) for name, values in counts.items()}
    )
    return stream_results(open_scenario(workloads=workloads), found, window)


def test_the_histogram_has_the_servers_buckets():
    first, second = SECONDS_BUCKETS[:2]
    found = histogram(np.array([first / 2, first, second, 1000.0]))
    assert found.bounds_seconds == SECONDS_BUCKETS
    assert (found.counts[0], found.counts[1], found.counts[-1], sum(found.counts)) == (2, 1, 1, 4)
    assert len(found.counts) == len(SECONDS_BUCKETS) + 1


def test_latency_counts_from_the_intended_start_and_service_from_the_actual_one():
    (stream,) = results([row(0, 1.0, 0.5, sent=1.2)])
    assert stream.latency.seconds.p50 == pytest.approx(0.5)
    assert stream.service.seconds.p50 == pytest.approx(0.3)


def test_every_request_has_one_outcome_and_only_the_good_ones_are_timed():
    rows = [row(number, 1.0, 0.1 * (1 + number), outcome) for number, outcome in enumerate(Outcome)]
    rows.append(row(9, -0.5, 0.1))  # of the warm-up
    (stream,) = results(rows, num_dropped=[2], num_abandoned=[3])
    outcomes = stream.outcomes.model_dump()
    assert outcomes.pop("planned") == sum(outcomes.values()) == 10
    assert outcomes == {
        "ok": 1,
        "error": 1,
        "deadline": 1,
        "cancelled": 1,
        "unfinished": 1,
        "dropped": 2,
        "abandoned": 3,
    }
    assert stream.codes == {"OK": 1, "CANCELLED": 1, "DEADLINE_EXCEEDED": 1, "UNAVAILABLE": 1}
    assert stream.latency.seconds.count == 1


def test_rates_count_what_came_out_within_the_window():
    rows = [row(0, -1.0, 1.5), row(1, 0.5, 1.0), row(2, 1.5, 2.0)]  # begun before, within, ended after
    (stream,) = results(rows, window=2.0)
    assert stream.rates.requests == 2 / 2.0
    assert stream.rates.outputs == 2 / 2.0
    assert stream.rates.images == 2 / 2.0


def test_streamed_outputs_count_by_message_and_gaps_stay_within_a_request():
    messages = [(0, 0.5, 1), (0, 0.9, 2), (0, 1.4, 1), (1, 1.9, 1), (1, 2.5, 1)]
    rows = [row(0, 0.0, 1.5, num_outputs=4, num_messages=3), row(1, 1.0, 1.5, num_outputs=2, num_messages=2)]
    (stream,) = results(rows, window=2.0, workloads=(STREAMED,), messages=messages)
    assert stream.rates.outputs == 5 / 2.0
    assert stream.gap is not None
    assert sorted([stream.gap.seconds.min, stream.gap.seconds.max]) == pytest.approx([0.4, 0.6])
    assert stream.gap.seconds.count == 3


def test_goodput_is_of_all_that_were_planned_but_for_our_own_cancels():
    workload = IMAGES.model_copy(update={"slo_seconds": 0.2, "slo_first_output_seconds": 0.1})
    rows = [
        row(0, 0.0, 0.2, first_output=0.1),
        row(1, 1.0, 0.2, first_output=1.15),  # first output too late
        row(2, 2.0, 0.3, first_output=2.05),  # too late
        row(3, 3.0, 0.1, Outcome.ERROR),
        row(4, 4.0, 0.1, Outcome.CANCELLED),
    ]
    (stream,) = results(rows, workloads=(workload,), num_dropped=[1])
    assert stream.goodput is not None
    assert stream.goodput.share == pytest.approx(1 / 5)
    assert stream.goodput.requests == pytest.approx(1 / 10.0)


def test_phases_sum_to_what_the_client_saw():
    random = np.random.default_rng(0)
    rows = []
    for number in range(400):
        queue, wait, compute, encode, other, outside, late = random.exponential(0.01, 7)
        backend = queue + wait + compute + encode + other
        told = (queue, 0.0, wait, 0.0, compute, encode, backend, 3.0)
        rows.append(row(number, 1.0, late + backend + outside, sent=1.0 + late, told=told))
    (stream,) = results(rows)
    phases = stream.phases
    assert phases is not None
    assert list(phases.parts) == [name for name in PHASES if name not in ("prefill", "decode")]
    for kind, whole in (("mean", phases.latency_mean_seconds), ("around_p50", phases.latency_around_p50_seconds)):
        assert sum(getattr(each, f"{kind}_seconds") for each in phases.parts.values()) == pytest.approx(whole)
    assert phases.latency_mean_seconds == pytest.approx(stream.latency.seconds.mean)
    assert phases.latency_around_p50_seconds == pytest.approx(stream.latency.seconds.p50, rel=0.05)
    for name in ("lateness", "queue", "backend_other", "outside"):
        assert phases.parts[name].mean_seconds == pytest.approx(0.01, rel=0.2), name
    assert stream.batch_size.p50 == 3.0


def test_a_mix_is_told_apart():
    rows = [row(0, 0.0, 0.1), row(1, 0.0, 0.7, workload=1, num_outputs=8, num_images=0)]
    messages = [(1, 0.2, 8)]
    image, text = results(rows, workloads=(IMAGES, TEXT), messages=messages)
    assert (image.latency.seconds.p50, text.latency.seconds.p50) == pytest.approx((0.1, 0.7))
    assert (image.unit, text.unit, text.rates.images) == ("image", "token", None)


def test_merging_loses_nothing():
    """Three processes' records, sent as bytes, come to the same as one that had seen it all."""
    random = np.random.default_rng(0)
    rows = [row(number, number / 100, float(random.exponential())) for number in range(999)]
    messages = [(number, number / 100 + at, 1) for number in range(999) for at in (0.1, 0.2)]
    parts = [Record.from_bytes(record(rows[first::3], messages).to_bytes()) for first in range(3)]
    whole, joined = merge([record(rows, messages)]), merge(parts)
    assert whole.requests.tobytes() == joined.requests.tobytes()
    scenario = open_scenario(workloads=(STREAMED,))
    assert stream_results(scenario, joined, 9.0) == stream_results(scenario, whole, 9.0)
    assert len(joined.uses) == 3


def test_error_texts_survive_the_pipe():
    one = record([])
    one.error_texts[0, "UNAVAILABLE", "näher"] = 2
    back = merge([Record.from_bytes(one.to_bytes())] * 2)
    assert back.error_texts == {(0, "UNAVAILABLE", "näher"): 4}


@pytest.mark.parametrize(
    ("settings", "stopped_at", "seconds"),
    [
        ({"duration_seconds": 5.0}, [], 5.0),
        ({"duration_seconds": 5.0}, [2.5, 2.6], 2.5),
        ({"num_requests": 3}, [], 3.5),
        ({"num_requests": 3, "duration_seconds": 9.0}, [], 3.5),
        ({"num_requests": 4, "duration_seconds": 9.0}, [], 9.0),
        ({"duration_seconds": 5.0}, [-1.0], 0.0),  # broken off in the warm-up
    ],
)
def test_the_window_is_as_long_as_the_load(settings, stopped_at, seconds):
    rows = [row(number, float(number), 0.5) for number in (1, 2, 3)]
    assert window_seconds(open_scenario(**settings), record(rows), stopped_at) == pytest.approx(seconds)
