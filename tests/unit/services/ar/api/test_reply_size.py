"""The bound of a reply's size holds for real messages with any tokens, and lies near what they can come to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.rpc.choices import join_messages
from services.ar.api.generation import Choice, logprob_message
from services.ar.api.reply_size import TokenSizes, check_score_reply, choice_bytes, image_bytes
from services.ar.api.scoring import likelihood_message
from services.ar.engine.sequence import Alternative, FinishReason, SampledToken, SamplingParams, Sequence
from services.common.images.messages import fill_image_batch
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import timings_pb2
from tandem.shared.errors import InvalidArgument
from tests.unit.services.ar.chat_models import MODELS

CODEC = MODELS["chatml"].codec()
NUM_IDS = MODELS["chatml"].tokenizer().get_vocab_size()
NUM_CONTROLS = len(MODELS["chatml"].controls)  # the last ids
SIZES = TokenSizes.of([CODEC.token_bytes(token_id) for token_id in range(NUM_IDS)])
LONGEST = sorted(range(NUM_IDS), key=lambda token_id: len(CODEC.token_bytes(token_id)), reverse=True)
LONGEST_OF_TEXT = next(token_id for token_id in LONGEST if token_id < NUM_IDS - NUM_CONTROLS)
FULL_TIMINGS = timings_pb2.Timings(**{field.name: 1.5 for field in timings_pb2.Timings.DESCRIPTOR.fields})


def choice_message(params: SamplingParams, index: int, ids: list[int]) -> ar_pb2.GenerateResponse:
    """Return a choice's one message as Generation makes it, of these tokens with the longest alternatives."""
    alternatives = tuple(Alternative(token_id, -2.5) for token_id in LONGEST[: params.top_logprobs])
    tokens = [SampledToken(token_id, -1.5, alternatives) for token_id in ids]
    choice = Choice(Sequence([1], params), CODEC)
    tokens, text = choice.feed(tokens, FinishReason.LENGTH)
    return ar_pb2.GenerateResponse(
        choice_index=index,
        token_ids=[token.token_id for token in tokens],
        text_delta=text,
        logprobs=[logprob_message(token, CODEC) for token in tokens] if params.logprobs else (),
        finish_reason=ar_pb2.FINISH_REASON_STOP,
        matched_stop=max(params.stop, key=len, default=""),
    )


MOST = {"prompt_tokens": 2**31 - 1, "cached_tokens": 2**31 - 1, "output_tokens": 2**31 - 1, "seed": 2**64 - 1}
ENDED = ar_pb2.GenerateResponse(usage=MOST, timings=FULL_TIMINGS)
token_lists = st.lists(st.integers(0, NUM_IDS - 1), min_size=1, max_size=40)


@settings(max_examples=150)
@given(
    ids=st.lists(token_lists, min_size=1, max_size=4),
    top_logprobs=st.none() | st.integers(0, 20),
    stop=st.lists(st.sampled_from(["€" * 256, "never in it"]), max_size=2),
)
def test_no_reply_is_larger_than_its_bound(ids: list[list[int]], top_logprobs: int | None, stop: list[str]) -> None:
    """Tokens that are no UTF-8 are among them: their text is up to three times as long."""
    params = SamplingParams(
        n=len(ids),
        max_tokens=max(map(len, ids)),
        logprobs=top_logprobs is not None,
        top_logprobs=top_logprobs or 0,
        stop=tuple(stop),
    )
    messages = [choice_message(params, index, each) for index, each in enumerate(ids)]
    messages[-1].MergeFrom(ENDED)
    bound = params.n * (params.max_tokens * SIZES.bytes_per_token(params) + choice_bytes(params))
    assert join_messages(messages).ByteSize() <= bound
    for message in messages:
        assert message.ByteSize() <= len(message.token_ids) * SIZES.bytes_per_token(params) + choice_bytes(params)


@pytest.mark.parametrize("top_logprobs", [None, 0, 5, 20])
def test_the_longest_tokens_come_near_the_bound(top_logprobs: int | None) -> None:
    is_asked = top_logprobs is not None
    params = SamplingParams(n=2, max_tokens=500, logprobs=is_asked, top_logprobs=top_logprobs or 0)
    reply = join_messages([choice_message(params, index, [LONGEST_OF_TEXT] * 500) for index in range(2)])
    bound = 2 * (500 * SIZES.bytes_per_token(params) + choice_bytes(params))
    assert 0.6 * bound < reply.ByteSize() <= bound


@pytest.mark.parametrize("encoding", ["uint8", "float32", "png"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (28, 28, 1), (200, 130, 3), (64, 64, 4)])
def test_no_picture_is_larger_than_its_bound(encoding: str, shape: tuple[int, int, int]) -> None:
    """Noise is what no encoder makes smaller."""
    noise = np.random.default_rng(3).integers(0, 256, (1, *shape), dtype=np.uint8)
    pixels = noise.astype(np.float32) if encoding == "float32" else noise
    message = ar_pb2.GenerateResponse()
    fill_image_batch(message.image, [pixels], encoding)
    size = message.ByteSize()
    assert size <= image_bytes(shape, encoding) + 6
    assert image_bytes(shape, encoding) <= 1.2 * size + 64


@settings(max_examples=100)
@given(
    token_lists=st.lists(st.lists(st.integers(0, NUM_IDS - 1), min_size=2, max_size=30), min_size=1, max_size=5),
    top_logprobs=st.integers(0, 20),
)
def test_no_score_is_larger_than_its_bound(token_lists: list[list[int]], top_logprobs: int) -> None:
    alternatives = tuple(Alternative(token_id, -2.5) for token_id in LONGEST[:top_logprobs])
    scored = [[SampledToken(token_id, -1.5, alternatives) for token_id in ids[1:]] for ids in token_lists]
    likelihoods = [likelihood_message(tokens, CODEC) for tokens in scored]
    reply = ar_pb2.ScoreResponse(likelihoods=likelihoods, timings=FULL_TIMINGS)
    with pytest.MonkeyPatch.context() as patch:
        # Whatever is let through with this limit must keep to it; one byte less than the reply must be refused.
        patch.setattr("services.ar.api.reply_size.MAX_MESSAGE_BYTES", reply.ByteSize() - 1)
        with pytest.raises(InvalidArgument, match="texts: "):
            check_score_reply("texts", SIZES, CODEC.token_bytes, token_lists, top_logprobs)


def test_many_scores_at_once_are_refused_by_name_and_ordinary_ones_pass() -> None:
    check_score_reply("texts", SIZES, CODEC.token_bytes, [[5] * 512] * 256)
    with pytest.raises(InvalidArgument, match=r"tokens: '256 sequences of 524032 tokens: up to \d+ bytes' .* several"):
        check_score_reply("tokens", SIZES, CODEC.token_bytes, [[5] * 2047] * 256)
