"""GrowingImages from the AutoregressiveService over real gRPC: a tiny random image model beside a text model."""

import asyncio
import io
import math

import numpy as np
from PIL import Image

from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tests.tiny_models import CLASS_NAMES, FIRST_CLASS_TOKEN, NUM_CODES, NUM_TOKENS, SIDE, painted

Responses = list[ar_pb2.GenerateResponse]
CELL = SIDE // 7


def picture(label: int = 3, fields: dict[str, object] | None = None, **sampling: object) -> ar_pb2.GenerateRequest:
    return ar_pb2.GenerateRequest(class_label=label, sampling=sampling, **fields or {})


def tokens(responses: Responses, choice_index: int = 0) -> list[int]:
    return [token for r in responses if r.choice_index == choice_index for token in r.token_ids]


def pixels(batch: images_pb2.ImageBatch) -> np.ndarray:
    assert list(batch.shape) == [1, SIDE, SIDE, 1]
    return np.frombuffer(batch.data, np.uint8).reshape(SIDE, SIDE, 1)


def last_picture(responses: Responses, choice_index: int = 0) -> np.ndarray:
    return pixels([r for r in responses if r.choice_index == choice_index][-1].image)


def levels(codes: list[int]) -> np.ndarray:
    """Return what the token decoder paints of the first codes of an image, as bytes, black behind them."""
    levels = np.rint((painted(codes + [0] * (NUM_TOKENS - len(codes))) + 1) * 127.5).astype(np.uint8)
    for number in range(len(codes), NUM_TOKENS):
        top, left = number // 7 * CELL, number % 7 * CELL
        levels[top : top + CELL, left : left + CELL] = 0
    return levels


async def test_a_greedy_picture_is_what_the_decoder_makes_of_its_tokens(both):
    *before, last = responses = await both.generate(picture(temperature=0.0))
    assert len(tokens(responses)) == NUM_TOKENS
    assert max(tokens(responses)) < NUM_CODES
    assert (last_picture(responses) == levels(tokens(responses))).all()
    assert not any(r.HasField("image") or r.HasField("timings") for r in before)
    assert not any(r.text_delta for r in responses)
    assert last.finish_reason == ar_pb2.FINISH_REASON_LENGTH
    assert (last.usage.prompt_tokens, last.usage.output_tokens) == (1, NUM_TOKENS)
    t = last.timings
    assert math.isclose(t.queue_seconds + t.prefill_seconds + t.decode_seconds + t.encode_seconds, t.total_seconds)
    await both.assert_idle()


async def test_a_stop_token_ends_a_picture(both):
    whole = tokens(await both.generate(picture(seed=1)))
    stop = whole[20]
    responses = await both.generate(picture(seed=1, stop_token_ids=[stop]))
    assert tokens(responses) == whole[: whole.index(stop) + 1]
    assert responses[-1].finish_reason == ar_pb2.FINISH_REASON_STOP
    assert (last_picture(responses) == levels(tokens(responses))).all()


async def test_a_picture_can_be_completed(both):
    whole = tokens(await both.generate(picture(temperature=0.0)))
    begun, sampling = {"ids": [FIRST_CLASS_TOKEN + 3, *whole[:30]]}, {"temperature": 0.0}
    responses = await both.generate(ar_pb2.GenerateRequest(model="tiny-image", tokens=begun, sampling=sampling))
    assert tokens(responses) == whole[30:]
    assert (last_picture(responses) == levels(whole)).all()


async def test_the_same_seed_gives_the_same_picture_alone_and_in_company(both):
    requests = [picture(label=seed % 10, seed=seed) for seed in range(32)]
    alone = [await both.generate(request) for request in requests]
    together = await asyncio.gather(*(both.generate(request) for request in requests))
    assert list(map(tokens, together)) == list(map(tokens, alone))
    assert [last_picture(each).tobytes() for each in together] == [last_picture(each).tobytes() for each in alone]
    assert len(set(map(tuple, map(tokens, alone)))) == 32
    assert max(r[-1].timings.mean_batch_size for r in together) > 8


async def test_three_choices_are_three_pictures(both):
    responses = await both.generate(picture(fields={"logprobs": True, "top_logprobs": 2}, seed=7, n=3))
    pictures = [last_picture(responses, index) for index in range(3)]
    for index in range(3):
        assert (pictures[index] == levels(tokens(responses, index))).all()
        assert sum(r.HasField("image") for r in responses if r.choice_index == index) == 1
    assert len({each.tobytes() for each in pictures}) == 3
    assert (last_picture(await both.generate(picture(seed=7))) == pictures[0]).all()
    entries = [entry for r in responses for entry in r.logprobs]
    assert len(entries) == 3 * NUM_TOKENS
    assert all(entry.token == b"" and len(entry.alternatives) == 2 for entry in entries)


async def test_encodings_carry_the_same_picture(both):
    raw, as_float, png = [
        (await both.generate(picture(fields={"image_encoding": encoding}, seed=1)))[-1].image
        for encoding in (images_pb2.ENCODING_RAW_UINT8, images_pb2.ENCODING_RAW_FLOAT32, images_pb2.ENCODING_PNG)
    ]
    values = np.frombuffer(as_float.data, "<f4").reshape(SIDE, SIDE, 1)
    assert (np.rint((values + 1) * 127.5) == pixels(raw)).all()
    with Image.open(io.BytesIO(png.png[0])) as file:
        assert (np.asarray(file)[..., None] == pixels(raw)).all()
    assert (png.data, png.encoding) == (b"", images_pb2.ENCODING_PNG)


async def test_the_models_are_described(both):
    models = {model.name: model for model in (await both.stub.ListModels(ar_pb2.ListModelsRequest())).models}
    image, text = models["tiny-image"], models["tiny"]
    assert (image.modality, image.num_classes, list(image.class_names)) == ("image", 10, list(CLASS_NAMES))
    assert (list(image.image_shape), list(image.value_range)) == ([SIDE, SIDE, 1], [-1.0, 1.0])
    assert (image.tokens_per_image, image.max_context_tokens) == (NUM_TOKENS, NUM_TOKENS + 1)
    assert (text.modality, text.num_classes, text.tokens_per_image) == ("text", 0, 0)
    assert [*text.image_shape, *text.value_range, *text.class_names] == []


async def test_the_token_decoder_tells_where_it_runs_and_what_it_did(both):
    await both.generate(picture(n=2))
    labels = {"model": "tiny-image", "network": "decoder"}
    assert both.sample("tandem_codec_images_total", **labels, outcome="finished") == 2
    providers = ("CPUExecutionProvider", "OpenVINO CPU")
    counts = [both.sample("tandem_execution_provider_info", **labels, provider=each, place="0") for each in providers]
    assert sorted(counts) == [0, 1]
