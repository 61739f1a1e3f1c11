import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from services.ar.codecs.text_codec import TextCodec
from services.ar.model.checkpoint import Checkpoint
from tandem.shared.errors import InvalidArgument
from tandem.shared.models import ModelError
from tests.tiny_models import CHAT_TEMPLATE, VOCAB_SIZE, tiny_tokenizer


def make_codec(template: str | None = CHAT_TEMPLATE, max_context_tokens: int = 64) -> TextCodec:
    checkpoint = Checkpoint(config=None, tokenizer=tiny_tokenizer(), read_tensors=None, chat_template=template)
    return TextCodec(checkpoint, max_context_tokens)


codec = pytest.fixture(scope="module")(make_codec)


def decode(codec: TextCodec, token_ids: list[int]) -> list[str]:
    decoder = codec.decoder(codec.encode("before"))
    return [decoder.feed(token_id) for token_id in token_ids]


@given(text=st.text(min_size=1, max_size=60))
def test_deltas_are_whole_characters_and_add_up_to_the_text(codec, text):
    deltas = decode(codec, codec.encode(text))
    assert "".join(deltas) == text
    assert all("\ufffd" not in delta for delta in deltas) or "\ufffd" in text


def token_of(codec: TextCodec, data: bytes) -> int:
    return next(token_id for token_id in range(VOCAB_SIZE) if codec.token_bytes(token_id) == data)


def test_bytes_that_are_no_character_are_given_out_and_do_not_pile_up(codec):
    continuation = token_of(codec, b"\x80")
    assert decode(codec, [continuation] * 400) == ["\ufffd"] * 400
    for count in (7, 8, 9, 20):
        text = "".join(decode(codec, [continuation] * count + codec.encode("still here")))
        assert text == "\ufffd" * count + "still here"


def test_an_output_holds_no_text_of_its_prompt(codec):
    decoder = codec.decoder(codec.encode("the word is hunter2 \ufffd"))
    assert "".join(decoder.feed(token_id) for token_id in codec.encode(" banana")) == " banana"


def test_a_character_that_the_prompt_begins_comes_whole(codec):
    token_ids = codec.encode("🐳 sings")
    decoder = codec.decoder(token_ids[:2])
    assert "".join(decoder.feed(token_id) for token_id in token_ids[2:]) == "🐳 sings"


def test_special_tokens_give_no_text_and_keep_no_character_apart(codec):
    (special,) = codec.encode("<|user|>")
    decoder = codec.decoder(codec.encode("before"))
    assert [decoder.feed(special) for _ in range(400)] == [""] * 400
    deltas = [decoder.feed(each) for token_id in codec.encode("🐳") for each in (token_id, special)]
    assert "".join(deltas) == "🐳"


def sentencepiece_codec() -> TextCodec:
    """Return a codec of the tokens "<s>", each byte, and those that `PIECES` lists."""
    vocabulary = {text: number for number, text in enumerate([*(f"<0x{byte:02X}>" for byte in range(256)), *PIECES])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], byte_fallback=True))
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(["<s>"])
    return TextCodec(Checkpoint(config=None, tokenizer=tokenizer, read_tensors=None), 64)


PIECES = ["▁", "▁a", "a", "b", "é", "▁é"]
SENTENCEPIECE = sentencepiece_codec()
A, B, BEGIN = 258, 259, 262


@pytest.mark.parametrize(
    ("token_ids", "text"),
    [
        ([0xC3, 0xA9, 0xE2, B], "é\ufffdb"),
        ([0xC3, 0xA9, 0xC3, 0xA9, 0xC3, B, A], "éé\ufffdba"),
        ([0xE2, 0x82, 0xAC, 0x80, A], "€\ufffda"),
    ],
)
def test_bytes_of_a_sentencepiece_vocabulary_that_are_no_character_do_not_end_the_output(token_ids, text):
    decoder = SENTENCEPIECE.decoder([A])
    assert "".join(decoder.feed(token_id) for token_id in token_ids) == text


@given(prompt=st.lists(st.integers(256, BEGIN), max_size=4), token_ids=st.lists(st.integers(1, BEGIN), max_size=20))
def test_an_output_of_whole_characters_is_what_the_tokenizer_decodes_behind_the_prompt(prompt, token_ids):
    """The tokenizer leaves out the space before the first word of a text, however many control tokens stand there."""
    token_ids = [token_id for token_id in token_ids if token_id < 128 or token_id > 255]
    tokenizer = SENTENCEPIECE._tokenizer
    decoder = SENTENCEPIECE.decoder(prompt)
    text = "".join(decoder.feed(token_id) for token_id in token_ids)
    assert tokenizer.decode(prompt) + text == tokenizer.decode([*prompt, *token_ids])


def test_token_bytes_join_to_the_text(codec):
    text = "The clock — 時計 🕰"
    assert b"".join(map(codec.token_bytes, codec.encode(text))) == text.encode()


def test_a_message_is_plain_text_where_that_is_asked_and_there_is_no_template(codec):
    plain = make_codec(None)
    assert plain.encode_chat([("user", "hi")], is_plain_without=True) == plain.encode("hi")
    assert codec.encode_chat([("user", "hi")], is_plain_without=True) == codec.encode_chat([("user", "hi")])
    with pytest.raises(InvalidArgument, match="this model has no chat template"):
        plain.encode_chat([("system", "be brief"), ("user", "hi")], is_plain_without=True)


def test_a_text_that_can_not_fit_is_refused_before_it_is_tokenised(codec):
    with pytest.raises(InvalidArgument, match="text: '4000000 bytes'"):
        codec.encode("x" * 4_000_000)


def test_what_is_no_template_is_told_at_the_start():
    with pytest.raises(ModelError, match="the chat template: TemplateSyntaxError"):
        make_codec("{% for").start()
