"""Bodies for OpenAI's API, and what answers of different servers say."""

from __future__ import annotations

import json

import pytest

from tandem.measure.generator.requests.apis.openai import DONE, body_maker, read_images, read_text
from tandem.measure.generator.schedule.request_sequence import RequestSpec
from tandem.measure.scenario import Workload

REQUEST_SPEC = RequestSpec(
    number=3, workload=0, length=5, prompt=((5, 3), (6, 1)), place=0.55, seed=2**40 + 7, cancel_after_seconds=None
)


def workload(**values: object) -> Workload:
    return Workload.model_validate({"kind": "text", "delivery": "streamed", "api": "openai", "model": "m", **values})


def event(**values: object) -> bytes:
    return json.dumps(values).encode()


def test_a_completion_asks_for_usage_and_the_whole_length() -> None:
    body = json.loads(body_maker(workload(temperature=0), 0)(REQUEST_SPEC))
    assert len(body.pop("prompt").split()) == 4
    assert body == {
        "model": "m",
        "ignore_eos": True,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 5,
        "seed": (2**40 + 7) % 2**31,
    }


def test_a_chat_is_one_message_and_a_whole_answer_has_no_options_of_a_stream() -> None:
    body = json.loads(body_maker(workload(api="openai-chat", delivery="unary"), 0)(REQUEST_SPEC))
    [message] = body["messages"]
    assert (message["role"], len(message["content"].split())) == ("user", 4)
    assert not {"stream", "stream_options", "prompt", "temperature"} & body.keys()


def test_images_are_asked_for_by_the_number_of_a_class() -> None:
    body = json.loads(body_maker(workload(kind="images", delivery="unary", num_classes=4), 0)(REQUEST_SPEC))
    assert body == {"model": "m", "prompt": "2", "n": 5, "seed": 2**40 + 7}
    picture = workload(kind="image", delivery="unary", num_classes=0)
    assert json.loads(body_maker(picture, 0)(REQUEST_SPEC)) == {"model": "m", "prompt": "", "n": 1, "seed": 2**40 + 7}


def test_tokens_are_spread_over_the_events_that_carry_text() -> None:
    deltas = [{"role": "assistant", "content": ""}, {"content": "a"}, {"reasoning_content": "b"}, {"content": None}]
    events = [event(choices=[{"delta": delta}]) for delta in deltas]
    usage = event(choices=[], usage={"prompt_tokens": 9, "completion_tokens": 5})
    found = read_text(True, [*events, usage, DONE])
    assert list(found.num_outputs) == [0, 2, 3, 0, 0, 0]
    assert (found.num_prompt_tokens, found.is_counted, found.code) == (9, True, 0)


def test_fewer_tokens_than_events_are_not_spread() -> None:
    events = [event(choices=[{"text": "a"}], usage={"completion_tokens": 2})] * 3
    assert list(read_text(True, [*events, DONE]).num_outputs) == [1, 1, 1, 0]


def test_tokens_that_a_server_names_are_counted_where_they_come() -> None:
    events = [event(choices=[{"token_ids": [5]}, {"token_ids": [6, 7]}]), event(choices=[{"token_ids": []}])]
    usage = event(choices=[], usage={"completion_tokens": 9})
    found = read_text(True, [*events, usage, DONE])
    assert (list(found.num_outputs), found.is_counted) == ([3, 0, 0, 0], True)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"message": "x", "code": "rate_limit_exceeded"}, 8),
        ({"message": "x", "code": 503}, 14),
        ({"message": "x", "code": None}, 13),
        ("x", 13),
        ({"message": "x", "code": 200}, 13),
    ],
)
def test_an_error_in_mid_stream(error: object, code: int) -> None:
    found = read_text(True, [event(choices=[{"text": "a"}]), event(error=error), DONE])
    assert (found.code, found.text, sum(found.num_outputs)) == (code, "x", 0)


def test_an_error_that_is_null_is_none() -> None:
    text = read_text(False, [event(choices=[{"text": "a"}], error=None)])
    images = read_images(False, [event(data=[{"b64_json": "x"}], error=None)])
    assert (text.code, sum(text.num_outputs), images.code, images.num_images) == (0, 1, 0, 1)


def test_images_and_the_tokens_of_a_picture() -> None:
    reply = event(data=[{"b64_json": "x"}] * 3, usage={"output_tokens": 147})
    found = read_images(False, [reply])
    assert (list(found.num_outputs), found.num_images) == ([3], 3)
    found = read_images(True, [reply])
    assert (list(found.num_outputs), found.num_images, found.is_counted) == ([147], 3, True)
    found = read_images(True, [event(data=[{"url": "x"}])])
    assert (list(found.num_outputs), found.num_images, found.is_counted) == ([1], 1, False)
