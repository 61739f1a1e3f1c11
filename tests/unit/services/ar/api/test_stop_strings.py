from hypothesis import given
from hypothesis import strategies as st

from services.ar.api.stop_strings import StopStrings


def feed_all(stops: tuple[str, ...], pieces: list[str]) -> tuple[str, str | None]:
    matcher, text = StopStrings(stops), ""
    for piece in pieces:
        text += matcher.feed(piece)
        if matcher.matched is not None:
            return text, matcher.matched
    return text + matcher.flush(), None


def test_a_stop_across_pieces_is_found_and_none_of_it_passed_on():
    assert feed_all(("###",), ["one #", "#", "# two"]) == ("one ", "###")


def test_what_only_looked_like_a_stop_is_passed_on():
    assert feed_all(("###",), ["a #", "# b", " #"]) == ("a ## b #", None)


def test_the_earliest_stop_wins():
    assert feed_all(("world", "lo"), ["hello world"]) == ("hel", "lo")


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
