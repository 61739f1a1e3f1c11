from types import SimpleNamespace

import pytest

from runtime.deadlines import Deadline
from services.ar.api.text import TextModality
from services.ar.codecs.text_codec import TextCodec
from services.ar.codecs.text_thread import TextThread
from services.ar.model.checkpoint import Checkpoint
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument
from tests.tiny_models import VOCAB_SIZE, tiny_tokenizer

CALL = SimpleNamespace(deadline=Deadline.after(None), owner="caller")


class CountingCodec(TextCodec):
    num_encoded = 0

    def encode(self, text: str, field: str = "text", with_bos: bool = True) -> list[int]:
        self.num_encoded += 1
        return super().encode(text, field, with_bos)


@pytest.mark.parametrize("count", [9, 90])  # few texts are encoded at once, many in a thread
async def test_a_text_that_is_too_long_is_refused_before_the_next_is_encoded(count):
    codec = CountingCodec(Checkpoint(config=None, tokenizer=tiny_tokenizer(), read_tensors=None), 64)
    texts = ar_pb2.TextContent(texts=["two clocks", *["1" * 200] * count])
    thread = TextThread("texts", 8, 8, 60.0)
    thread.start()
    with pytest.raises(InvalidArgument, match=r"texts.texts\[1\]: '200 tokens'"):
        await TextModality(codec, thread, VOCAB_SIZE, None).read_scored(ar_pb2.ScoreRequest(texts=texts), CALL)
    await thread.stop()
    assert codec.num_encoded == 2
