import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InvalidArgument
from services.ar.codecs.text_codec import TextCodec
from services.ar.model.checkpoint import Checkpoint
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


def test_a_character_of_several_tokens_comes_with_its_last(codec):
    token_ids = codec.encode("🐳")
    assert len(token_ids) == 4
    assert decode(codec, token_ids) == ["", "", "", "🐳"]


def test_bytes_that_are_no_character_are_given_out_and_do_not_pile_up(codec):
    """The library's stream would hold them for ever, and decode all of them again with each further one."""
    (continuation,) = (token_id for token_id in range(VOCAB_SIZE) if codec.token_bytes(token_id) == b"\x80")
    text = "".join(decode(codec, [continuation] * 400))
    assert set(text) == {"\ufffd"}
    assert len(text) > 300
    end = codec.encode("still here")
    assert "".join(decode(codec, [continuation] * 20 + end)).endswith("still here")


def test_special_tokens_give_no_text_and_are_not_decoded_again(codec):
    (special,) = codec.encode("<|user|>")
    decoder = codec.decoder(codec.encode("before"))
    assert [decoder.feed(special) for _ in range(400)] == [""] * 400
    assert decoder._silent == []
    assert "".join(decoder.feed(token_id) for token_id in codec.encode(" and on")) == " and on"


def test_token_bytes_join_to_the_text(codec):
    text = "The clock — 時計 🕰"
    assert b"".join(map(codec.token_bytes, codec.encode(text))) == text.encode()


def test_chat_is_laid_out_by_the_template(codec):
    token_ids = codec.encode_chat([("system", "be brief"), ("user", "hi")])
    assert token_ids == codec.encode("<|system|>be brief<|end|><|user|>hi<|end|><|assistant|>")
    assert decode(codec, token_ids)[0] == ""  # special tokens give no text


@pytest.mark.parametrize(
    ("template", "turns", "message"),
    [
        (CHAT_TEMPLATE, [], "chat.messages: \\[\\]"),
        (CHAT_TEMPLATE, [("user", "a"), ("robot", "b")], r"chat.messages\[1\].role: 'robot'"),
        (CHAT_TEMPLATE, [("user", "")], r"chat.messages\[0\].content: ''"),
        (None, [("user", "a")], "this model has no chat template"),
        ("{{ raise_exception('turns must alternate') }}", [("user", "a")], "turns must alternate"),
        ("{{ messages.append(1) }}", [("user", "a")], "what the template takes"),
        ("{{ ''.__class__.__mro__ }}", [("user", "a")], "what the template takes"),
    ],
)
def test_bad_conversations_and_hostile_templates(template, turns, message):
    with pytest.raises(InvalidArgument, match=message):
        make_codec(template).encode_chat(turns)


def test_an_empty_text_is_refused(codec):
    with pytest.raises(InvalidArgument, match="text: ''"):
        codec.encode("")


def test_a_text_that_can_not_fit_is_refused_before_it_is_tokenised(codec):
    with pytest.raises(InvalidArgument, match="text: '4000000 bytes'"):
        codec.encode("x" * 4_000_000)
