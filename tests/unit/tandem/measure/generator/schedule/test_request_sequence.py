import itertools

import numpy as np
import pytest

from tandem.measure.generator.schedule.request_sequence import RequestSequence
from tandem.measure.lengths import Lengths
from tandem.measure.trace import TraceRow
from tests.unit.tandem.measure.scenarios import IMAGES, TEXT, open_scenario


def changed(workload, **settings):
    return type(workload)(**{**dict(workload), **settings})


def test_a_request_is_the_same_whoever_asks_for_it_and_when():
    scenario = open_scenario(workloads=(IMAGES, TEXT), num_processes=2)
    forwards, backwards = RequestSequence(scenario), RequestSequence(scenario)
    numbers = [5, 63, 64, 70_000]
    assert [forwards[n] for n in numbers] == [backwards[n] for n in reversed(numbers)][::-1]


def test_workloads_share_by_weight_and_can_be_told_without_the_rest():
    scenario = open_scenario(workloads=(changed(IMAGES, weight=3.0), changed(TEXT, weight=1.0)))
    numbers = np.arange(1, 8001, 3)
    workloads = RequestSequence(scenario).workloads(numbers)
    assert np.mean(workloads == 0) == pytest.approx(0.75, abs=0.03)
    one_by_one = RequestSequence(scenario)
    assert workloads.tolist() == [one_by_one[int(number)].workload for number in numbers]


def test_cancels_hit_their_share_within_their_range():
    workload = changed(IMAGES, cancel_share=0.25, cancel_after_seconds=(0.5, 2.0))
    sequence = RequestSequence(open_scenario(workloads=(workload,)))
    cancels = [after for number in range(4096) if (after := sequence[number].cancel_after_seconds) is not None]
    assert len(cancels) / 4096 == pytest.approx(0.25, abs=0.03)
    assert 0.5 <= min(cancels) < 0.6
    assert 1.9 < max(cancels) <= 2.0


@pytest.mark.parametrize(
    ("text", "mean", "low", "high"),
    [("64", 64, 64, 64), ("uniform:16:128", 72, 16, 128), ("geometric:64", 64, 1, 10**6), ("choice:8:16", 12, 8, 16)],
)
def test_lengths_have_their_mean_and_range(text, mean, low, high):
    lengths = Lengths.model_validate(text)
    drawn = lengths.draw(np.random.default_rng(0), 20_000)
    assert np.mean(drawn) == pytest.approx(mean, rel=0.03)
    assert low <= np.min(drawn)
    assert np.max(drawn) <= high
    assert str(lengths) == text
    assert Lengths.model_validate_json(lengths.model_dump_json()) == lengths


@pytest.mark.parametrize(
    "text", ["0", "-1", "uniform:9:2", "uniform:3", "normal:3:4", "geometric:x", "", "1.5", "choice"]
)
def test_lengths_that_make_no_sense_are_refused_with_what_is_accepted(text):
    with pytest.raises(ValueError, match="uniform:LOW:HIGH"):
        Lengths.model_validate(text)


@pytest.mark.parametrize("settings", [{}, {"num_places": 3}])
def test_a_scenario_that_counts_on_goes_on_where_another_ended(settings):
    workloads = (IMAGES, TEXT)
    whole = RequestSequence(open_scenario(workloads=workloads, **settings))
    later = RequestSequence(open_scenario(workloads=workloads, first_number=77, **settings))
    assert [later[number] for number in range(150)] == [whole[77 + number] for number in range(150)]
    numbers = np.arange(150)
    np.testing.assert_array_equal(later.workloads(numbers), [later[number].workload for number in range(150)])


def test_places_are_even():
    sequence = RequestSequence(open_scenario(num_places=7))
    labels = [int(sequence[number].place * 7) for number in range(70)]
    assert all(sorted(labels[begin : begin + 7]) == list(range(7)) for begin in range(0, 70, 7))


def test_a_turn_holds_all_before_and_follows_after_a_pause():
    settings = {"turns": 3, "think_seconds": (0.5, 2.0), "common_share": 0.5}
    workload = changed(TEXT, prompt_tokens="choice:8:16", output_tokens="uniform:2:9", **settings)
    sequence = RequestSequence(open_scenario(workloads=(workload,)))
    for conversation in range(50):
        turns = [sequence[3 * conversation + turn] for turn in range(3)]
        assert turns[0].think_seconds is None
        assert all(0.5 <= turn.think_seconds < 2.0 for turn in turns[1:])
        common, own = turns[0].prompt
        assert common[1] == sum(count for _, count in turns[0].prompt) // 2
        for before, turn in itertools.pairwise(turns):
            assert (turn.prompt[0], turn.prompt[1][0]) == (common, own[0])
            more = turn.prompt[1][1] - before.prompt[1][1]
            assert more - before.length in (8, 16)
    assert sequence[0].prompt[1][0] != sequence[3].prompt[1][0]


def test_a_trace_says_what_is_asked_for():
    row = TraceRow(timestamp=5, input_length=1000, output_length=7, hash_ids=(4, 9))
    spec = RequestSequence(open_scenario(workloads=(TEXT,), num_requests=1), [row])[0]
    assert (spec.length, spec.prompt) == (7, ((4, 512), (9, 488)))
