from services.ar.engine.request_stream import MOST_TOKENS, Gathering
from services.ar.engine.sequence import FinishReason, SampledToken, SamplingParams, Sequence
from services.ar.engine.step import Progress


def new_sequence(is_streamed: bool = False) -> Sequence:
    return Sequence([0], SamplingParams(max_tokens=500), is_streamed=is_streamed)


def brought(
    sequence: Sequence, *token_ids: int, reason: FinishReason | None = None, error: Exception | None = None
) -> Progress:
    return Progress(sequence, [SampledToken(token_id) for token_id in token_ids], reason, error)


def token_ids(delivery) -> list[int]:
    return [token.token_id for token in delivery.progress.tokens]


def test_tokens_of_a_streamed_sequence_are_due_after_each_step():
    gathering, sequence = Gathering(), new_sequence(is_streamed=True)
    for number in range(3):
        (delivery,) = gathering.add([brought(sequence, number)], float(number))
        assert token_ids(delivery) == [number]
        assert (delivery.first_sampled_at, delivery.last_sampled_at) == (number, number)
    assert gathering.add([brought(sequence)], 3.0) == []  # a chunk of its prompt


def test_tokens_of_another_sequence_are_due_when_it_ends_with_the_times_of_the_first_and_the_last():
    gathering, sequence = Gathering(), new_sequence()
    assert gathering.add([brought(sequence)], 1.0) == []
    assert gathering.add([brought(sequence, 5)], 2.0) == []
    assert gathering.add([brought(sequence, 6, 7)], 3.0) == []
    (delivery,) = gathering.add([brought(sequence, 8, reason=FinishReason.LENGTH)], 4.0)
    assert token_ids(delivery) == [5, 6, 7, 8]
    assert delivery.progress.finish_reason is FinishReason.LENGTH
    assert (delivery.first_sampled_at, delivery.last_sampled_at) == (2.0, 4.0)


def test_a_long_output_comes_in_parts():
    gathering, sequence = Gathering(), new_sequence()
    deliveries = [each for n in range(2 * MOST_TOKENS + 1) for each in gathering.add([brought(sequence, n)], float(n))]
    assert [len(token_ids(each)) for each in deliveries] == [MOST_TOKENS, MOST_TOKENS]
    assert [each.first_sampled_at for each in deliveries] == [0.0, MOST_TOKENS]
    (last,) = gathering.add([brought(sequence, 0, reason=FinishReason.STOP)], 500.0)
    assert token_ids(last) == [2 * MOST_TOKENS, 0]


def test_sequences_are_kept_apart_and_a_dropped_one_leaves_nothing():
    gathering, kept, dropped = Gathering(), new_sequence(), new_sequence()
    gathering.add([brought(kept, 1), brought(dropped, 2)], 1.0)
    gathering.drop(dropped)
    gathering.drop(dropped)
    deliveries = gathering.add([brought(kept, 3, reason=FinishReason.STOP)], 2.0)
    assert [token_ids(each) for each in deliveries] == [[1, 3]]
    (again,) = gathering.add([brought(dropped, 4, reason=FinishReason.STOP)], 3.0)
    assert token_ids(again) == [4]
