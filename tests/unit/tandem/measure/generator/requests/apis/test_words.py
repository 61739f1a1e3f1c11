"""Prompts in words."""

from tandem.measure.generator.requests.apis.words import Words
from tandem.measure.generator.schedule.request_sequence import RequestSpec


def spec(place: float, seed: int, count: int) -> RequestSpec:
    return RequestSpec(
        number=0, workload=0, length=1, prompt_tokens=count, place=place, seed=seed, cancel_after_seconds=None
    )


def test_a_prompt_has_as_many_words_as_tokens_are_asked_for_and_begins_like_no_other() -> None:
    words = Words(0)
    for count in (1, 2, 5000):
        assert len(words.text(spec(0.99, 12, count)).split()) == count
    assert words.text(spec(0.1, 12, 9)) == Words(0).text(spec(0.1, 12, 9))
    assert words.text(spec(0.1, 12, 9)) != words.text(spec(0.1, 13, 9))


def test_another_load_begins_otherwise() -> None:
    first, second = (Words(salt).text(spec(0.1, 12, 9)).split() for salt in (1, 2))
    assert first[0] != second[0]
    assert first[1:] == second[1:]
