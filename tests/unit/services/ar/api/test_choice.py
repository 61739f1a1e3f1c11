from hypothesis import given
from hypothesis import strategies as st

from services.ar.api.generation import Choice
from services.ar.api.stop_strings import StopStrings
from services.ar.codecs.text_codec import TextCodec
from services.ar.engine.sequence import FinishReason, SampledToken, SamplingParams, Sequence
from services.ar.model.checkpoint import Checkpoint
from tests.tiny_models import tiny_tokenizer

CODEC = TextCodec(Checkpoint(config=None, tokenizer=tiny_tokenizer(), read_tensors=None), max_context_tokens=64)
END = 1


def run(text: str, reason: FinishReason, end: bool = False, **parameters: object) -> tuple[str, int, Choice]:
    """Feed the tokens of a text one at a time, as decode steps do; return the text, the tokens counted, the choice."""
    choice = Choice(Sequence([5], SamplingParams(**parameters)), CODEC)
    token_ids = CODEC.encode(text) + [END] * end
    found, count = "", 0
    for index, token_id in enumerate(token_ids):
        is_last = index == len(token_ids) - 1
        tokens, delta = choice.feed([SampledToken(token_id)], reason if is_last else None)
        found, count = found + delta, count + len(tokens)
        if choice.finish_reason is not None:
            break
    return found, count, choice


def test_a_stop_string_over_several_tokens_ends_it_early():
    found, count, choice = run("abc xyz#!# more", FinishReason.LENGTH, stop=("#!#",))
    assert (found, choice.finish_reason, choice.matched_stop) == ("abc xyz", FinishReason.STOP, "#!#")
    assert count < len(CODEC.encode("abc xyz#!# more"))
    assert count == choice.num_output_tokens


def test_what_was_held_back_for_a_stop_is_given_at_the_end():
    found, _, choice = run("abc #!", FinishReason.LENGTH, stop=("#!#",))
    assert (found, choice.finish_reason) == ("abc #!", FinishReason.LENGTH)


def test_a_stop_string_does_not_count_within_min_tokens():
    text = "ababab"
    found, _, _ = run(text, FinishReason.LENGTH, stop=("ab",), min_tokens=len(CODEC.encode(text)))
    assert found == text


def test_a_stop_in_the_middle_of_several_tokens_cuts_the_rest():
    choice = Choice(Sequence([5], SamplingParams(stop=("|",))), CODEC)
    before = len(CODEC.encode("before|"))
    tokens = [SampledToken(t) for t in CODEC.encode("before|") + CODEC.encode("after")]
    counted, text = choice.feed(tokens, None)
    assert (text, len(counted)) == ("before", before)


def feed_all(stops: tuple[str, ...], pieces: list[str]) -> tuple[str, str | None]:
    matcher, text = StopStrings(stops), ""
    for piece in pieces:
        text += matcher.feed(piece)
        if matcher.matched is not None:
            return text, matcher.matched
    return text + matcher.flush(), None


@given(
    text=st.text("abc", max_size=40),
    stops=st.lists(st.text("abc", min_size=1, max_size=4), max_size=3).map(tuple),
    sizes=st.lists(st.integers(1, 5), min_size=40, max_size=40),
)
def test_any_cut_gives_what_the_whole_text_gives(text, stops, sizes):
    pieces, rest = [], text
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    found, matched = feed_all(stops, pieces)
    places = [text.find(stop) for stop in stops if stop in text]
    if matched is None:
        assert (found, places) == (text, [])
    else:
        # In pieces the first stop that is complete wins, so the text may end a little after the earliest start.
        assert text.startswith(found + matched)
        assert len(found) + len(matched) <= min(text.find(s) + len(s) for s in stops if s in text) + max(sizes)
