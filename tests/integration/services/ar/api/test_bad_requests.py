"""What each rpc refuses over real gRPC, by the field where it lies; others are not disturbed."""

import asyncio
import math

import grpc
import pytest

from tandem.ar.v1 import ar_pb2
from tests.tiny_models import SIDE

TEXT, IMAGE = {"model": "tiny"}, {"model": "tiny-image"}
WORDS, LONG = "one two", "clock " * 500
MANY = {"messages": [{"role": "user", "content": "x"}] * 257}
NO_TEXTS = "model: 'tiny-image' is not accepted; accepted: a model of texts"


def picture(**sampling: object) -> dict[str, object]:
    return {"class_label": 3, "sampling": sampling}


def lists(*token_lists: list[int]) -> dict[str, object]:
    return {"tokens": {"token_lists": [{"ids": ids} for ids in token_lists]}}


def images(labels: list[int], shape: tuple[int, ...] = (2, SIDE, SIDE, 1)) -> dict[str, object]:
    return {"images": {"images": {"shape": shape, "data": bytes(math.prod(shape))}, "labels": labels}}


REFUSED: dict[str, list[tuple[dict[str, object], str]]] = {
    "Generate": [
        (TEXT | {"text": ""}, "text: '' is not accepted"),
        (TEXT | {"text": LONG}, "at most 255 tokens"),
        (TEXT | {"text": "x" * 3_000_000}, "text: '3000000 bytes' is not accepted"),
        (TEXT | {"text": "a", "sampling": {"temperature": math.nan}}, "sampling.temperature: nan is not accepted"),
        (TEXT, "prompt: None is not accepted; accepted: text, chat or tokens"),
        (TEXT | {"class_label": 10}, "text, chat or tokens: this model makes text"),
        (TEXT | {"text": "a", "partial_images": True}, "partial_images: True"),
        (TEXT | {"text": "a", "num_partial_images": 1}, "num_partial_images: 1"),
        (picture() | {"num_partial_images": 49}, "num_partial_images: 49 is not accepted; accepted: 0 to 48"),
        (TEXT | {"text": "a", "image_encoding": 3}, "image_encoding: 3"),
        ({"model": "nope", "text": "a"}, "there is no 'nope'; there are: tiny"),
        ({"model": "../../x", "text": "a"}, "there is no '../../x'"),
        ({"class_label": 10}, "class_label: 10 is not accepted; accepted: 0 to 9"),
        ({"class_label": -1}, "class_label: -1"),
        (IMAGE | {"text": "a"}, "class_label or tokens: this model makes images"),
        (IMAGE | {"chat": {}}, "this model makes images"),
        (IMAGE, "prompt: None is not accepted; accepted: class_label or tokens"),
        (IMAGE | {"tokens": {}}, "a class token, 512 to 521, at the beginning"),
        (IMAGE | {"tokens": {"ids": [5]}}, "tokens: [5] is not accepted"),
        (IMAGE | {"tokens": {"ids": [512, 512]}}, "tokens: 512 is not accepted; accepted: codes 0 to 511"),
        (IMAGE | {"tokens": {"ids": [512, *range(49)]}}, "tokens: '49 codes' is not accepted; accepted: at most 48"),
        (picture(max_tokens=50), "sampling.max_tokens: 50 is not accepted; accepted: 1 to 49"),
        (picture(stop=["a"]), "sampling.stop: ['a'] is not accepted; accepted: nothing"),
        (picture(stop_token_ids=[512]), "sampling.stop_token_ids: 512 is not accepted; accepted: token ids 0 to 511"),
        (picture(logit_bias={521: 1.0}), "sampling.logit_bias: 521"),
        (picture() | {"image_encoding": 17}, "image_encoding: 17"),
        (picture(json_object=True), "sampling.json_object: 'a constraint' is not accepted; accepted: nothing: images"),
    ],
    "Complete": [
        ({"generate": TEXT | {"text": ""}}, "generate.text: "),
        ({"generate": TEXT | {"text": "a", "sampling": {"top_p": 2}}}, "generate.sampling.top_p: 2.0"),
        (
            {"generate": picture() | {"partial_images": True}},
            "generate.partial_images: True is not accepted; accepted: nothing",
        ),
        ({"generate": picture() | {"num_partial_images": 1}}, "generate.num_partial_images: 1"),
    ],
    "Score": [
        (TEXT, "content: None is not accepted; accepted: texts or tokens"),
        (IMAGE, "content: None is not accepted; accepted: images or tokens"),
        ({"texts": {}}, "texts.texts: '0 entries' is not accepted; accepted: 1 to 256"),
        ({"texts": {"texts": [WORDS] * 257}}, "texts.texts: '257 entries'"),
        ({"texts": {"texts": [WORDS, ""]}}, "texts.texts[1]: ''"),
        ({"texts": {"texts": [WORDS]}, "top_logprobs": -1}, "top_logprobs: -1 is not"),
        ({"texts": {"texts": [WORDS]}, "top_logprobs": 21}, "top_logprobs: 21 is not"),
        ({"texts": {"texts": [WORDS, LONG]}}, "at most 256 tokens"),
        (IMAGE | {"texts": {"texts": [WORDS]}}, "images or tokens: this model makes images"),
        (TEXT | lists([1, 2], [5]), "tokens.token_lists[1].ids: '1 token' is not accepted"),
        (TEXT | lists([1, 2], [5, 384]), "tokens.token_lists[1].ids: 384"),
        (TEXT | lists(), "tokens.token_lists: '0 entries'"),
        (IMAGE | lists([512]), "at least two tokens"),
        (IMAGE | lists([0, 1]), "tokens.token_lists[0].ids: [0]"),
        (IMAGE | lists([512, 512]), "codes 0 to 511"),
        (IMAGE | lists([512, *range(50)]), "at most 49"),
        (TEXT | images([1, 2]), "texts or tokens: this model makes text"),
        (images([1]), "images.labels: '1 labels' is not accepted; accepted: 2, one an image"),
        (images([1, 10]), "images.labels: 10 is not accepted; accepted: 0 to 9"),
        (images([], (0, SIDE, SIDE, 1)), "images.images.shape[0]: 0 is not accepted; accepted: 1 to 1024"),
        (images([1, 2], (2, 14, SIDE, 1)), "images.images.shape"),
    ],
    "Tokenize": [
        (TEXT, "content: None is not accepted; accepted: text or chat"),
        (TEXT | {"text": ""}, "text: '' is not accepted"),
        (TEXT | {"text": "x" * 100_000}, "text: '100000 bytes' is not accepted"),
        (TEXT | {"chat": {}}, "chat.messages: "),
        (TEXT | {"chat": MANY}, "chat.messages: '257 messages'"),
        ({"model": "x", "text": "a"}, "model: there is no 'x'"),
        (IMAGE | {"text": "a"}, NO_TEXTS),
    ],
    "Detokenize": [
        (TEXT, "ids: '0 ids' is not accepted; accepted: 1 to 256"),
        (TEXT | {"ids": [5] * 257}, "ids: '257 ids'"),
        (TEXT | {"ids": [384]}, "ids: 384 is not accepted"),
        (IMAGE | {"ids": [1]}, NO_TEXTS),
    ],
    "DescribeTokenizer": [(IMAGE, NO_TEXTS)],
}
GOOD = [TEXT | {"text": "a", "sampling": {"max_tokens": 20, "ignore_eos": True}}, picture(seed=1)]


@pytest.mark.parametrize("rpc", REFUSED)
async def test_bad_requests_are_told_and_disturb_nobody(both, rpc):
    for fields, details in REFUSED[rpc]:
        neighbours = [asyncio.create_task(both.generate(ar_pb2.GenerateRequest(**good))) for good in GOOD]
        call = getattr(both.stub, rpc)(getattr(ar_pb2, f"{rpc}Request")(**fields))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await (call.read() if rpc == "Generate" else call)
        assert caught.value.code().name == ("NOT_FOUND" if "there is no '" in details else "INVALID_ARGUMENT"), details
        assert details in caught.value.details()
        outputs = [sum(len(message.token_ids) for message in await neighbour) for neighbour in neighbours]
        assert outputs == [20, 49]
    await both.assert_idle()
