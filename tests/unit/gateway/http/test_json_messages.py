"""JSON in and out, with the .proto files as the contract."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.parsing import parse_json, plain
from tandem.ar.v1 import ar_pb2
from tandem.gan.v1 import gan_pb2
from tandem.shared.errors import InvalidArgument


def refusal(body: bytes | dict[str, Any] | list[Any], message_class: Any = ar_pb2.GenerateRequest) -> InvalidArgument:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(InvalidArgument) as caught:
        parse_json(message_class, raw)
    return caught.value


def test_proto_names_and_json_names_are_both_accepted() -> None:
    expected = ar_pb2.GenerateRequest(text="a", sampling=ar_pb2.SamplingParams(max_tokens=3, seed=2**64 - 1))
    assert (
        parse_json(ar_pb2.GenerateRequest, b'{"text":"a","sampling":{"max_tokens":3,"seed":"18446744073709551615"}}')
        == expected
    )
    assert (
        parse_json(ar_pb2.GenerateRequest, b'{"text":"a","sampling":{"maxTokens":3,"seed":18446744073709551615}}')
        == expected
    )


@given(
    st.lists(st.integers(0, 2**31 - 1), max_size=5),
    st.text(max_size=20),
    st.binary(max_size=20),
    st.floats(allow_nan=False),
    st.integers(0, 2**64 - 1),
)
def test_what_goes_out_can_come_in(ids: list[int], text: str, token: bytes, logprob: float, seed: int) -> None:
    message = ar_pb2.GenerateResponse(
        token_ids=ids,
        text_delta=text,
        logprobs=[ar_pb2.TokenLogprob(token=token, logprob=logprob)],
        usage=ar_pb2.Usage(seed=seed),
    )
    out = plain(ar_pb2.GenerateResponse, message.SerializeToString())
    assert parse_json(ar_pb2.GenerateResponse, json.dumps(out).encode()) == message


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"sampling": {"max_tokens": "abc"}}, "sampling.max_tokens", ["'abc'", "a whole number of 32 bits"]),
        ({"sampling": {"max_tokens": 1.5}}, "sampling.max_tokens", ["1.5", "a whole number of 32 bits"]),
        ({"sampling": {"maxTokens": 2**40}}, "sampling.maxTokens", [str(2**40), "32 bits"]),
        ({"sampling": {"seed": -1}}, "sampling.seed", ["-1", "not negative"]),
        ({"sampling": {"temperature": "hot"}}, "sampling.temperature", ["'hot'", "a number"]),
        ({"sampling": 3}, "sampling", ["3", "an object"]),
        ({"logprobs": "yes"}, "logprobs", ["'yes'", "true or false"]),
        ({"text": 5}, "text", ["5", "a text"]),
        ({"image_encoding": "GIF"}, "image_encoding", ["'GIF'", "ENCODING_RAW_UINT8 or", "ENCODING_PNG"]),
        ({"chat": {"messages": [{"role": 1}]}}, "chat.messages[0].role", ["1", "a text"]),
        ({"sampling": {"logit_bias": {"a": 1}}}, "sampling.logit_bias", ["{'a': 1}"]),
        ({"text": "a", "class_label": 1}, "request", ["multiple", "prompt"]),
        ({"tex": "a"}, "tex", ["'a'", "one of the fields model, text"]),
        ({"sampling": {"seeed": 1}}, "sampling.seeed", ["1", "min_tokens"]),
        ({"\ud800": 1}, "\\ud800", ["one of the fields model, text"]),
        ({"sampling": {"\udfff": 1}}, "sampling.\\udfff", ["min_tokens"]),
        ({"chat": {"messages": [{"\ud800": 1}]}}, "chat.messages[0].\\ud800", ["one of the fields role"]),
        ({"image_encoding": "\ud800"}, "image_encoding", ["'\\ud800'", "ENCODING_PNG"]),
        ({"image_encoding": math.inf}, "image_encoding", ["inf", "ENCODING_PNG"]),
        ({"sampling": {"temperature": 10**400}}, "sampling.temperature", ["1000", "a number"]),
    ],
)
def test_a_wrong_field_is_named_with_value_and_what_is_accepted(
    body: dict[str, Any], field: str, words: list[str]
) -> None:
    error = refusal(body)
    assert error.field == field
    for word in words:
        assert word in str(error)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[1]", b"5", b"null", b'"text"', b"\xff\xfe", b"[" * 100_000, b'{"text":"\\ud800"}', b"1" * 5_000],
    ids=lambda body: repr(body[:12]),
)
def test_what_is_no_message_is_refused(body: bytes) -> None:
    assert "contract" in str(refusal(body))


def test_numbers_that_float32_cannot_hold_are_refused() -> None:
    assert refusal({"latents": {"values": [0, 1e50]}}, gan_pb2.SampleRequest).field == "latents.values"


NAMES = st.sampled_from(
    ["\ud800"]
    + [field.name for each in (ar_pb2.GenerateRequest, ar_pb2.SamplingParams) for field in each.DESCRIPTOR.fields]
)
NUMBERS = st.integers(-(2**70), 2**70) | st.just(10**400) | st.floats()
LEAVES = st.none() | st.booleans() | NUMBERS | st.text(max_size=5) | st.just("\ud800")
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)


@given(st.dictionaries(NAMES, ANYTHING, max_size=4))
def test_any_object_is_a_message_or_a_clear_refusal(content: dict[str, Any]) -> None:
    try:
        parse_json(ar_pb2.GenerateRequest, json.dumps(content).encode())
    except InvalidArgument as error:
        assert "accepted" in str(error)  # noqa: PT017  nothing else may be raised
