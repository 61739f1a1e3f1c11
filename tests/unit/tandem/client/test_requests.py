"""What the request builder refuses, and how it reads arguments of several forms."""

from typing import Any

import numpy as np
import pytest

from tandem.client import Message
from tandem.client.requests import (
    discriminate_request,
    generate_request,
    sample_request,
    score_images_request,
    score_request,
)
from tandem.common.v1 import images_pb2


def test_a_text_is_what_a_user_says_or_plain_where_a_model_has_no_template() -> None:
    chat = generate_request("Hi", {}).chat
    assert [(message.role, message.content) for message in chat.messages] == [("user", "Hi")]
    assert chat.plain_without_template
    assert not generate_request([Message("user", "Hi")], {}).chat.plain_without_template


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
        ({"n": 10**10}, "n"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"stop_token_ids": [2**40]}, "stop_token_ids"),
        ({"logit_bias": {2**40: 1.0}}, "logit_bias"),
        ({"image_encoding": "gif"}, "image_encoding"),
        ({"json_schema": {"a": {1, 2}}}, "json_schema"),
    ],
)
def test_a_value_that_fits_no_field_is_named(options: Any, name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: "):
        generate_request("x", options)


@pytest.mark.parametrize("model", [5, b"\xff"])
def test_every_request_takes_the_name_of_a_model_alone(model: Any) -> None:
    pixels = np.zeros((1, 2, 2), np.uint8)
    for build in (
        lambda: score_request(["ab"], model),
        lambda: score_images_request(pixels, None, model),
        lambda: sample_request(1, {"model": model}),
        lambda: discriminate_request(pixels, None, model),
    ):
        with pytest.raises(ValueError, match=r"^model: "):
            build()


def test_texts_to_choose_from_are_several_or_one() -> None:
    assert list(generate_request("x", {"choice": ["a", "b"]}).sampling.choice.texts) == ["a", "b"]
    assert list(generate_request("x", {"choice": "ab"}).sampling.choice.texts) == ["ab"]
    assert generate_request("x", {"choice": []}).sampling.WhichOneof("constraint") == "choice"


def test_two_constraints_are_refused() -> None:
    with pytest.raises(ValueError, match="regex and choice: give one of them"):
        generate_request("x", {"regex": "a", "choice": ["a"]})


def test_top_logprobs_turns_logprobs_on() -> None:
    assert [generate_request("x", {"top_logprobs": count}).logprobs for count in (2, 0, -1)] == [True, False, True]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_images_to_judge_travel_as_they_are(dtype: Any) -> None:
    pixels = np.arange(8, dtype=dtype).reshape(2, 2, 2, 1)
    request = discriminate_request(pixels, 1, "")
    assert list(request.images.shape) == [2, 2, 2, 1]
    assert request.images.data == pixels.tobytes()
    assert list(request.labels) == [1, 1]
    expected = images_pb2.ENCODING_RAW_UINT8 if dtype is np.uint8 else images_pb2.ENCODING_RAW_FLOAT32
    assert request.images.encoding == expected


@pytest.mark.parametrize("pixels", [np.zeros((2, 2), np.uint8), np.zeros((1, 2, 2, 1), np.int64), [[1]]])
def test_images_of_another_kind_are_refused(pixels: Any) -> None:
    with pytest.raises(ValueError, match=r"^images: "):
        discriminate_request(pixels, None, "")
