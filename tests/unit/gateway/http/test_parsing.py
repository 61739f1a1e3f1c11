"""JSON requests: what is read at once, what in the thread, what is refused; the .proto files are the contract."""

from __future__ import annotations

import asyncio
import json
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http import parsing
from gateway.http.parsing import (
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_INLINE_ELEMENTS,
    MAX_INLINE_STRINGS_BYTES,
    MAX_WAITING,
    JsonParser,
    check_structure,
    parse_json,
    plain,
)
from tandem.ar.v1 import ar_pb2
from tandem.gan.v1 import gan_pb2
from tandem.shared.errors import InvalidArgument, ResourceExhausted

CALLER, OTHER, THIRD = "a caller", "another", "a third"


@pytest.fixture
def parser() -> Iterator[JsonParser]:
    made = JsonParser()
    yield made
    made.close()


def body_of(num_tokens: int) -> bytes:
    return json.dumps({"tokens": {"ids": [1] * num_tokens}}).encode()


@pytest.mark.parametrize("num_tokens", [1, MAX_INLINE_ELEMENTS - 3, MAX_INLINE_ELEMENTS, 20_000])
async def test_small_and_large_requests_are_read_alike(parser: JsonParser, num_tokens: int) -> None:
    raw = await parser.parse(CALLER, ar_pb2.GenerateRequest, body_of(num_tokens))
    assert len(ar_pb2.GenerateRequest.FromString(raw).tokens.ids) == num_tokens


async def test_punctuation_in_a_text_counts_for_nothing(parser: JsonParser) -> None:
    text = '[{,"\\' * 200_000
    raw = await parser.parse(CALLER, ar_pb2.GenerateRequest, json.dumps({"text": text}).encode())
    assert ar_pb2.GenerateRequest.FromString(raw).text == text


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"1," * MAX_ELEMENTS + b"1]",
        b'{"tokens":{"ids":[' + b"{}," * MAX_ELEMENTS + b"1]}}",
        b'{"a":1,' * (MAX_ELEMENTS // 2 + 1) + b"1",
        b"[" * 1_000_000,
        b"1," * (MAX_INLINE_ELEMENTS + 1) + b"]" * 1_000_000,
        b'{"a":' * 200_000,
    ],
)
async def test_more_elements_than_any_request_has_are_refused(parser: JsonParser, body: bytes) -> None:
    with pytest.raises(InvalidArgument, match=f"request: '[0-9]+ elements' .* up to {MAX_ELEMENTS} elements"):
        await parser.parse(CALLER, ar_pb2.GenerateRequest, body)


def test_the_limits_themselves_are_accepted() -> None:
    check_structure(b"[" + b"1," * (MAX_ELEMENTS - 1) + b"1]")
    check_structure(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    with pytest.raises(InvalidArgument, match=f"nested {MAX_DEPTH + 1} deep"):
        check_structure(b"[" * (MAX_DEPTH + 1))


@pytest.mark.parametrize("start", [b'"', b'"\\"', b'"\\\\"', b'\\"', b'"\\'])
def test_an_unfinished_string_is_looked_at_once(start: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the quotes are set: the number of matches, each of which begins where the last ended, stays small."""
    body = start + b'\\"' * 200_000
    assert len(parsing._STRING.findall(body)) <= 2
    check_structure(body)


@pytest.mark.parametrize("string", [b'"",', b'"a":"",', b'"\\\\","a",'])
def test_the_strings_of_a_body_of_too_many_are_not_looked_for(string: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """That keeps the interpreter's lock, for a second with a million of them."""
    monkeypatch.setattr(parsing, "_without_strings", None)
    assert not parsing._is_small(string * (MAX_INLINE_STRINGS_BYTES // len(string)))
    with pytest.raises(InvalidArgument, match=f"request: '[0-9]+ texts' .* up to {MAX_ELEMENTS} elements"):
        check_structure(string * (4_000_000 // len(string)))


@pytest.mark.parametrize("limit", [MAX_INLINE_ELEMENTS, MAX_ELEMENTS])
@pytest.mark.parametrize("text", ["", '"', "\\", ',"\\'])
def test_what_is_within_the_limits_is_not_taken_for_too_many_strings(limit: int, text: str) -> None:
    content = {f"{place:x}{text}": text for place in range(limit - 1)}
    body = json.dumps(content, separators=(",", ":")).encode()
    check_structure(body)
    assert parsing._is_small(body) == (limit == MAX_INLINE_ELEMENTS)


@dataclass
class Thread:
    """The parser's thread, which reads nothing while it is held."""

    hold: threading.Event
    running: threading.Semaphore


@pytest.fixture
def thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[Thread]:
    held, read = Thread(threading.Event(), threading.Semaphore(0)), parsing.check_structure

    def wait_and_read(body: bytes) -> None:
        held.running.release()
        held.hold.wait(20)
        read(body)

    monkeypatch.setattr(parsing, "check_structure", wait_and_read)
    yield held
    held.hold.set()


def begun(parser: JsonParser, caller: str, count: int) -> list[asyncio.Task[bytes]]:
    """Send so many large requests."""
    return [asyncio.create_task(parser.parse(caller, ar_pb2.GenerateRequest, body_of(1000))) for _ in range(count)]


async def test_large_requests_wait_for_one_thread_and_only_so_many(parser: JsonParser, thread: Thread) -> None:
    large = [each for caller in (CALLER, OTHER) for each in begun(parser, caller, MAX_WAITING // 2)]
    await asyncio.to_thread(thread.running.acquire)
    with pytest.raises(ResourceExhausted, match=f"^the gateway's queue of .* is full .limit {MAX_WAITING}."):
        await parser.parse(THIRD, ar_pb2.GenerateRequest, body_of(1000))
    # Others are not in their way, and those that leave give their places back.
    assert await parser.parse(CALLER, ar_pb2.GenerateRequest, body_of(1))
    for each in large[1:]:
        each.cancel()
    await asyncio.gather(*large[1:], return_exceptions=True)
    [again] = begun(parser, CALLER, 1)
    thread.hold.set()
    assert await large[0] == await again


async def test_a_caller_leaves_places_to_others(parser: JsonParser, thread: Thread) -> None:
    large = begun(parser, CALLER, MAX_WAITING // 2)
    await asyncio.to_thread(thread.running.acquire)
    with pytest.raises(ResourceExhausted, match=f"a caller's part .* is full .limit {MAX_WAITING // 2}."):
        await parser.parse(CALLER, ar_pb2.GenerateRequest, body_of(1000))
    [of_other] = begun(parser, OTHER, 1)
    thread.hold.set()
    assert len({await of_other, *await asyncio.gather(*large)}) == 1
    assert await parser.parse(CALLER, ar_pb2.GenerateRequest, body_of(1000)) == await of_other


async def test_a_text_with_much_punctuation_needs_no_place(parser: JsonParser, thread: Thread) -> None:
    large = [each for caller in (CALLER, OTHER) for each in begun(parser, caller, MAX_WAITING // 2)]
    await asyncio.to_thread(thread.running.acquire)
    text = "a, [b], {c}, " * 2000
    raw = await parser.parse(THIRD, ar_pb2.GenerateRequest, json.dumps({"text": text}).encode())
    assert ar_pb2.GenerateRequest.FromString(raw).text == text
    thread.hold.set()
    await asyncio.gather(*large)


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
