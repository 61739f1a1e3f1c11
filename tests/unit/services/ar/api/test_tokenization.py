"""Where the replies of Tokenize and Detokenize are made, and which are refused before that."""

import threading
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from runtime.deadlines import Deadline
from services.ar.api import tokenization
from services.ar.api.tokenization import detokenize, tokenize
from services.ar.codecs.text_codec import TextCodec
from services.ar.codecs.text_thread import TextThread
from services.ar.model.checkpoint import Checkpoint
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import ReplyTooLarge
from tests.tiny_models import VOCAB_SIZE, tiny_tokenizer

MAX_CONTEXT_TOKENS = 20_000
CALL = SimpleNamespace(deadline=Deadline.after(None), owner="a")


class NotingCodec(TextCodec):
    """Notes the thread that asks for a token's bytes, as it does who makes a reply."""

    def __init__(self) -> None:
        super().__init__(Checkpoint(config=None, tokenizer=tiny_tokenizer(), read_tensors=None), MAX_CONTEXT_TOKENS)
        self.threads: set[int] = set()

    def token_bytes(self, token_id: int) -> bytes:
        self.threads.add(threading.get_ident())
        return super().token_bytes(token_id)


@pytest.fixture
def codec() -> NotingCodec:
    return NotingCodec()


@pytest.fixture
async def model(codec: NotingCodec) -> AsyncIterator[SimpleNamespace]:
    """What the two calls know of a model."""
    thread = TextThread("texts", max_queued=4, max_queued_of_caller=4, max_wait_seconds=60.0)
    thread.start()
    yield SimpleNamespace(
        modality=SimpleNamespace(text_codec=codec, text_thread=thread),
        max_context_tokens=MAX_CONTEXT_TOKENS,
        description=ar_pb2.Model(vocab_size=VOCAB_SIZE),
    )
    await thread.stop()


async def test_replies_are_made_off_the_event_loop(model, codec):
    text = "0 1 2 3 4 " * 1_500
    reply = await tokenize(model, ar_pb2.TokenizeRequest(text=text), CALL)
    back = await detokenize(model, ar_pb2.DetokenizeRequest(ids=reply.ids), CALL)
    assert list(reply.ids) == codec.encode(text)
    assert len(reply.ids) > 10_000
    assert b"".join(reply.tokens) == text.encode()
    assert (back.text, list(back.tokens)) == (text, list(reply.tokens))
    assert codec.threads
    assert threading.get_ident() not in codec.threads


async def test_a_text_of_too_many_tokens_is_refused_before_a_reply_is_made(model, codec, monkeypatch):
    monkeypatch.setattr(tokenization, "MAX_MESSAGE_BYTES", 3_000)
    with pytest.raises(ReplyTooLarge, match="text: '1001 tokens' is not accepted; accepted: what comes to"):
        await tokenize(model, ar_pb2.TokenizeRequest(text="\x01" * 1_001), CALL)
    assert not codec.threads


async def test_a_reply_that_is_too_large_is_told_with_its_size(model, monkeypatch):
    monkeypatch.setattr(tokenization, "MAX_MESSAGE_BYTES", 3_000)
    with pytest.raises(ReplyTooLarge, match=r"text: 'a reply of \d{4} bytes' is not accepted"):
        await tokenize(model, ar_pb2.TokenizeRequest(text="\x01" * 1_000), CALL)
    with pytest.raises(ReplyTooLarge, match=r"ids: 'a reply of \d{4} bytes' is not accepted"):
        await detokenize(model, ar_pb2.DetokenizeRequest(ids=[10] * 1_000), CALL)
