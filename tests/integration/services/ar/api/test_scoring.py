"""Score over real gRPC: texts, token lists and images, many at a time, exact."""

import asyncio
import math
import threading

import grpc
import numpy as np
import pytest
import torch

from services.ar.settings import ArSettings
from services.common.runtimes.onnx_session import OnnxSession
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.shared.errors import ModelFault
from tests.integration.services.ar.conftest import serving
from tests.tiny_models import NUM_CODES, NUM_TOKENS, SIDE, add_image_model, painted

TEXTS = ["The two clocks", "in the station had been made by the same hand", "and still they never agreed."]


def of_texts(*texts: str, model: str = "") -> ar_pb2.ScoreRequest:
    return ar_pb2.ScoreRequest(model=model, texts={"texts": texts})


def of_tokens(*token_lists: list[int], **fields: object) -> ar_pb2.ScoreRequest:
    return ar_pb2.ScoreRequest(**fields, tokens={"token_lists": [{"ids": ids} for ids in token_lists]})


def of_images(images: np.ndarray, labels: list[int], model: str = "") -> ar_pb2.ScoreRequest:
    """`images`: [N, SIDE, SIDE, 1] uint8."""
    batch = {"shape": images.shape, "data": images.tobytes()}
    return ar_pb2.ScoreRequest(model=model, images={"images": batch, "labels": labels})


def random_pictures(count: int) -> tuple[list[list[int]], np.ndarray, list[int]]:
    """Return codes, images as bytes, and classes."""
    source = np.random.default_rng(count)
    codes = source.integers(0, NUM_CODES, (count, NUM_TOKENS)).tolist()
    images = np.stack([np.rint((painted(row) + 1) * 127.5).astype(np.uint8) for row in codes])
    return codes, images, source.integers(0, 10, count).tolist()


async def score(backend, request: ar_pb2.ScoreRequest) -> list[ar_pb2.Likelihood]:
    return list((await backend.stub.Score(request)).likelihoods)


async def test_many_texts_get_what_each_gets_alone_in_their_order(backend):
    texts = [text[: 10 + number] for number in range(20) for text in TEXTS]
    together = await score(backend, of_texts(*texts))
    for text, found in zip(texts, together, strict=True):
        (alone,) = await score(backend, of_texts(text))
        assert found.total_logprob == pytest.approx(alone.total_logprob, abs=1e-4)
        assert [each.token_id for each in found.tokens] == backend.worker.get("").codec.encode(text)[1:]
        assert found.bits_per_token == pytest.approx(-found.total_logprob / math.log(2) / len(found.tokens))
    await backend.assert_idle()


async def test_alternatives_are_the_most_probable_tokens_and_change_nothing_else(backend, reference):
    ids = backend.worker.get("").codec.encode(TEXTS[1])
    (plain,) = await score(backend, of_tokens(ids))
    (found,) = await score(backend, of_tokens(ids, top_logprobs=3))
    with torch.inference_mode():
        expected = reference(torch.tensor([ids])).logits[0, :-1].log_softmax(-1).topk(3)
    assert [each.logprob for each in found.tokens] == [each.logprob for each in plain.tokens]
    for entry, best in zip(found.tokens, expected.indices.tolist(), strict=True):
        assert [each.token_id for each in entry.alternatives] == best
        assert [each.logprob for each in entry.alternatives if each.token_id == entry.token_id] in ([], [entry.logprob])
        assert [each.token for each in entry.alternatives] == [
            backend.worker.get("").codec.token_bytes(token_id) for token_id in best
        ]


async def test_three_hundred_images_through_a_small_queue_are_scored_exactly(repository, oracle):
    """Against a direct computation without cache or batch: the softmax is over the codes alone."""
    codes, images, labels = random_pictures(300)
    settings = ArSettings(
        models_dir=repository[0],
        models=["tiny-image"],
        max_num_sequences=8,
        max_queued_sequences=4,
        max_caller_share=1.0,  # both requests are one caller's
        kv_cache_tokens=2048,
    )
    async with serving(settings) as backend:
        found, few = await asyncio.gather(
            score(backend, of_images(images, labels)), score(backend, of_images(images[:4], labels[:4]))
        )
        await backend.assert_idle()
    for picture, label, likelihood in zip(codes, labels, found, strict=True):
        expected = oracle(label, picture).gather(1, torch.tensor(picture)[:, None]).squeeze(1)
        assert [entry.token_id for entry in likelihood.tokens] == picture
        logprobs = torch.tensor([entry.logprob for entry in likelihood.tokens])
        # Of all 14,700 two are more than 1e-4 off float64's, by up to 1.4e-4.
        torch.testing.assert_close(logprobs, expected, atol=2e-4, rtol=0)
        assert likelihood.total_logprob == pytest.approx(float(expected.double().sum()), abs=1e-3)
    assert [each.total_logprob for each in few] == pytest.approx([each.total_logprob for each in found[:4]], abs=1e-4)


def of_floats(image: np.ndarray, label: int) -> ar_pb2.ScoreRequest:
    """`image`: [SIDE, SIDE, 1]."""
    encoding, data = images_pb2.ENCODING_RAW_FLOAT32, image.astype("<f4").tobytes()
    batch = {"shape": [1, *image.shape], "encoding": encoding, "data": data}
    return ar_pb2.ScoreRequest(images={"images": batch, "labels": [label]})


HUGE = np.zeros((SIDE, SIDE, 1), np.float32)
HUGE[3, 4, 0] = 1e38
# All white: the tiny encoder finds 542 in it, which is no code.
WHITE = np.ones((SIDE, SIDE, 1), np.float32)


@pytest.mark.parametrize(
    ("bad", "code", "details"),
    [
        (
            HUGE,
            grpc.StatusCode.INVALID_ARGUMENT,
            "images.images.data[0][3][4][0]: 1e+38 is not accepted; accepted: -1 to 1, and 0.002 outside",
        ),
        (WHITE, grpc.StatusCode.INTERNAL, str(ModelFault())),
    ],
)
async def test_an_image_that_cannot_be_encoded_costs_its_request_alone(both, bad, code, details):
    codes, _, labels = random_pictures(20)
    good = [of_floats(painted(row), label) for row, label in zip(codes, labels, strict=True)]
    alone = [await score(both, one) for one in good]
    calls = [both.stub.Score(one) for one in good]
    calls[1:1] = [both.stub.Score(of_floats(bad, 0)) for _ in range(4)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [(each.code(), each.details()) for each in outcomes[1:5]] == [(code, details)] * 4
    for row, reply, (expected,) in zip(codes, outcomes[:1] + outcomes[5:], alone, strict=True):
        (found,) = reply.likelihoods
        assert [entry.token_id for entry in found.tokens] == row
        assert found.total_logprob == pytest.approx(expected.total_logprob, abs=1e-4)
    await both.assert_idle()


async def test_images_for_which_there_is_no_memory_are_refused_before_they_are_decoded(repository, monkeypatch):
    """The first images wait for the encoder. Those that are refused are none, which would show in decoding."""
    broken = {"images": {"shape": [1, SIDE, SIDE, 1], "data": b"none"}, "labels": [0]}
    run, entered, gate = OnnxSession.run, threading.Event(), threading.Event()

    def held(self, *arguments):
        entered.set()
        gate.wait()
        return run(self, *arguments)

    settings = ArSettings(models_dir=repository[0], models=["tiny-image"], kv_cache_tokens=2048, max_decoded_bytes=0)
    async with serving(settings) as backend:
        monkeypatch.setattr(OnnxSession, "run", held)
        first = asyncio.create_task(score(backend, of_images(PICTURE, [1, 2])))
        try:
            assert await asyncio.to_thread(entered.wait, 20)
            with pytest.raises(grpc.aio.AioRpcError, match="the memory for decoded images of open requests") as refused:
                await backend.stub.Score(ar_pb2.ScoreRequest(images=broken))
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        finally:
            gate.set()
        assert len(await first) == 2
        await backend.assert_idle()


async def test_a_cancelled_score_leaves_nothing(both):
    _, images, labels = random_pictures(500)
    for _ in range(5):
        call = both.stub.Score(of_images(images, labels))
        await asyncio.sleep(0)
        while both.worker.get("tiny-image").engine.last_progress() is None:
            await asyncio.sleep(0)
        call.cancel()
    await both.assert_idle()


PICTURE = np.zeros((2, SIDE, SIDE, 1), np.uint8)


async def test_a_model_without_encoder_scores_tokens_alone(tmp_path):
    add_image_model(tmp_path, has_encoder=False)
    async with serving(ArSettings(models_dir=tmp_path, models=["tiny-image"])) as backend:
        with pytest.raises(grpc.aio.AioRpcError, match="this model has no token encoder"):
            await score(backend, of_images(PICTURE, [1, 2]))
        (likelihood,) = await score(backend, of_tokens([512, 5]))
        assert len(likelihood.tokens) == 1
