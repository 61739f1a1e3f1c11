"""Tokens in four lists: where each begins, how it is written, and its alternatives."""

from gateway.protocols.openai.text.token_table import TokenTable, to_text
from tandem.ar.v1 import ar_pb2


def entry(token: bytes, logprob: float, *alternatives: tuple[bytes, float], token_id: int = 9) -> ar_pb2.TokenLogprob:
    found = [ar_pb2.Alternative(token_id=8, logprob=value, token=text) for text, value in alternatives]
    return ar_pb2.TokenLogprob(token_id=token_id, logprob=logprob, token=token, alternatives=found)


def test_offsets_count_characters_and_parts_of_one_stand_where_it_begins() -> None:
    table, text = TokenTable(silent=[1]), "w\u00f6\U0001f600 x"
    tokens = [b"w", b"\xc3", b"\xb6", b"\xf0\x9f", b"\x98\x80 ", b"x"]
    table.add_first(tokens[0])
    table.add([entry(token, -1.0) for token in tokens[1:]])
    table.add([entry(b"<end>", -1.0, token_id=1), entry(b"y", -1.0)])
    taken = table.take()
    assert taken.text_offset == [0, 1, 1, 2, 2, 4, 5, 5]
    assert [text[offset:][:1] for offset in taken.text_offset[:6:5]] == ["w", "x"]
    assert taken.tokens[1:3] == ["bytes:\\xc3", "bytes:\\xb6"]
    assert taken.token_logprobs == [None, *[-1.0] * 7]
    assert taken.top_logprobs[0] is None


def test_a_token_behind_half_a_character_begins_behind_its_replacement() -> None:
    table, tokens = TokenTable(), [b"a", b"\xe4", b"b", b"\xf0\x9f", b"\x98", b"\x80c"]
    table.add([entry(token, -1.0) for token in tokens])
    text = b"".join(tokens).decode(errors="replace")
    assert table.take().text_offset == [0, 1, 2, 3, 3, 3]
    assert text[2:4] == "b\U0001f600"


def test_control_tokens_of_a_prompt_are_text_and_what_stands_before_it_is_not() -> None:
    table = TokenTable(silent=[1])
    table.add_first(b"<s>", is_text=False)
    table.add([entry(b"<end>", -1.0, token_id=1), entry(b"a", -1.0)], is_text=True)
    assert table.take().text_offset == [0, 0, 5]


def test_what_is_taken_is_gone_and_offsets_go_on() -> None:
    table = TokenTable()
    table.add([entry(b"ab", -1.0)])
    assert table.take().text_offset == [0]
    table.add([entry(b"c", -1.0)])
    assert table.take().text_offset == [2]


def test_the_token_is_among_its_alternatives_and_the_better_of_two_that_look_alike_stays() -> None:
    table = TokenTable()
    table.add([entry(b"a", -3.0, (b"b", -1.0), (b"b", -2.0)), entry(b"b", -1.0, (b"b", -1.0))])
    assert table.take().top_logprobs == [{"b": -1.0, "a": -3.0}, {"b": -1.0}]


def test_tokens_that_are_no_characters_all_look_different() -> None:
    assert len({to_text(bytes([byte])) for byte in range(256)}) == 256
