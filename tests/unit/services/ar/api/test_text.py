"""Where texts are encoded and replies of Tokenize and Detokenize made, and what is refused before that."""

import threading
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from runtime.deadlines import Deadline
from services.ar.api import text as module
from services.ar.api.text import TextModel
from services.ar.codecs.text_codec import TextCodec
from services.ar.model.checkpoint import Checkpoint
from services.common.batching.work_thread import WorkThread
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument, ReplyTooLarge
from tests.tiny_models import VOCAB_SIZE, tiny_tokenizer

CALL = SimpleNamespace(deadline=Deadline.after(None), owner="caller")


class NotingCodec(TextCodec):
    """Notes the thread that asks for a token's bytes, as it does who makes a reply, and the texts it encodes."""

    def __init__(self, max_context_tokens: int) -> None:
        checkpoint = Checkpoint(config=None, tokenizer=tiny_tokenizer(), read_tensors=None)
        super().__init__(checkpoint, max_context_tokens)
        self.threads: set[int] = set()
        self.num_encoded = 0

    def token_bytes(self, token_id: int) -> bytes:
        self.threads.add(threading.get_ident())
        return super().token_bytes(token_id)

    def encode(self, text: str, field: str = "text", with_bos: bool = True) -> list[int]:
        self.num_encoded += 1
        return super().encode(text, field, with_bos)


@pytest.fixture
async def model(request: pytest.FixtureRequest) -> AsyncIterator[TextModel]:
    """Without an engine, which the tokenizer does not need."""
    codec = NotingCodec(getattr(request, "param", 20_000))
    thread = WorkThread("texts", max_queued=8, max_queued_of_caller=8, max_wait_seconds=60.0)
    thread.start()
    model = TextModel(codec, None, ar_pb2.Model(vocab_size=VOCAB_SIZE), 1, thread, None)
    codec.threads.clear()
    yield model
    await thread.stop()


@pytest.mark.parametrize("model", [64], indirect=True)
@pytest.mark.parametrize("count", [9, 90])  # few texts are encoded at once, many in a thread
async def test_a_text_that_is_too_long_is_refused_before_the_next_is_encoded(model, count):
    texts = ar_pb2.TextContent(texts=["two clocks", *["1" * 200] * count])
    with pytest.raises(InvalidArgument, match=r"texts.texts\[1\]: '200 tokens'"):
        await model.read_scored(ar_pb2.ScoreRequest(texts=texts), CALL)
    assert model.codec.num_encoded == 2


async def test_replies_are_made_off_the_event_loop(model):
    text = "0 1 2 3 4 " * 1_500
    reply = await model.tokenize(ar_pb2.TokenizeRequest(text=text), CALL)
    back = await model.detokenize(ar_pb2.DetokenizeRequest(ids=reply.ids), CALL)
    assert list(reply.ids) == model.codec.encode(text)
    assert len(reply.ids) > 10_000
    assert b"".join(reply.tokens) == text.encode()
    assert (back.text, list(back.tokens)) == (text, list(reply.tokens))
    assert model.codec.threads
    assert threading.get_ident() not in model.codec.threads


async def test_a_reply_that_is_too_large_is_refused_before_it_is_made_or_told_with_its_size(model, monkeypatch):
    monkeypatch.setattr(module, "MAX_MESSAGE_BYTES", 3_000)
    with pytest.raises(ReplyTooLarge, match="text: '1001 tokens' is not accepted; accepted: what comes to"):
        await model.tokenize(ar_pb2.TokenizeRequest(text="\x01" * 1_001), CALL)
    assert not model.codec.threads
    with pytest.raises(ReplyTooLarge, match=r"text: 'a reply of \d{4} bytes' is not accepted"):
        await model.tokenize(ar_pb2.TokenizeRequest(text="\x01" * 1_000), CALL)
    with pytest.raises(ReplyTooLarge, match=r"ids: 'a reply of \d{4} bytes' is not accepted"):
        await model.detokenize(ar_pb2.DetokenizeRequest(ids=[10] * 1_000), CALL)
