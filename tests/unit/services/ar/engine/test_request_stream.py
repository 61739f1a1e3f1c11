"""What the engine's thread gathers of replies that are not streamed, and when it is due."""

from services.ar.engine.request_stream import MOST_TOKENS, Gathering
from services.ar.engine.sequence import FinishReason, SampledToken, SamplingParams, Sequence
from services.ar.engine.step import Progress


def new_sequence(is_streamed: bool = False) -> Sequence:
    return Sequence([0], SamplingParams(max_tokens=500), is_streamed=is_streamed)


def step(
    gathering: Gathering, at: float, sequence: Sequence, *token_ids: int, reason: FinishReason | None = None
) -> list[tuple[list[int], float, float]]:
    """Return what is due after a step that brought these tokens: tokens, and when the first and the last came."""
    due = gathering.add([Progress(sequence, [SampledToken(token_id) for token_id in token_ids], reason)], at)
    return [([token.token_id for token in one.tokens], one.first_sampled_at, one.last_sampled_at) for one in due]


def test_tokens_of_a_streamed_sequence_are_due_after_each_step():
    gathering, sequence = Gathering(), new_sequence(is_streamed=True)
    assert step(gathering, 0.0, sequence) == []  # a chunk of its prompt
    for number in range(3):
        assert step(gathering, number, sequence, number) == [([number], number, number)]


def test_tokens_of_another_sequence_are_due_when_there_are_many_or_it_ends_with_the_first_and_the_last_time():
    gathering, sequence, dropped = Gathering(), new_sequence(), new_sequence()
    assert step(gathering, 1.0, sequence) == []
    assert step(gathering, 2.0, sequence, 5) == step(gathering, 2.0, dropped, 9) == []
    gathering.drop(dropped)
    gathering.drop(dropped)
    assert step(gathering, 3.0, sequence, 6, 7) == []
    many = [due for number in range(MOST_TOKENS) for due in step(gathering, 4.0 + number, sequence, number)]
    assert many == [([5, 6, 7, *range(MOST_TOKENS - 3)], 2.0, MOST_TOKENS)]
    rest = list(range(MOST_TOKENS - 3, MOST_TOKENS))
    first_at, length = MOST_TOKENS + 1.0, FinishReason.LENGTH
    assert step(gathering, 500.0, sequence, 8, reason=length) == [([*rest, 8], first_at, 500.0)]
    assert step(gathering, 501.0, dropped, 4, reason=length) == [([4], 501.0, 501.0)]
