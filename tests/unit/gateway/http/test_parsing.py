"""JSON requests: what is read at once, what in the thread, and what is refused before it is read."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.http import parsing
from gateway.http.parsing import MAX_DEPTH, MAX_ELEMENTS, MAX_INLINE_ELEMENTS, MAX_WAITING, JsonParser, check_structure
from runtime.errors import InvalidArgument, ResourceExhausted
from tandem.ar.v1 import ar_pb2


@pytest.fixture
def parser() -> Iterator[JsonParser]:
    made = JsonParser()
    yield made
    made.close()


def body_of(num_tokens: int) -> bytes:
    return json.dumps({"tokens": {"ids": [1] * num_tokens}}).encode()


@pytest.mark.parametrize("num_tokens", [1, MAX_INLINE_ELEMENTS - 3, MAX_INLINE_ELEMENTS, 20_000])
async def test_small_and_large_requests_are_read_alike(parser: JsonParser, num_tokens: int) -> None:
    raw = await parser.parse(ar_pb2.GenerateRequest, body_of(num_tokens))
    assert len(ar_pb2.GenerateRequest.FromString(raw).tokens.ids) == num_tokens


async def test_punctuation_in_a_text_counts_for_nothing(parser: JsonParser) -> None:
    text = '[{,"\\' * 200_000
    raw = await parser.parse(ar_pb2.GenerateRequest, json.dumps({"text": text}).encode())
    assert ar_pb2.GenerateRequest.FromString(raw).text == text


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"1," * MAX_ELEMENTS + b"1]",
        b'{"tokens":{"ids":[' + b"{}," * MAX_ELEMENTS + b"1]}}",
        b'{"a":1,' * (MAX_ELEMENTS // 2 + 1) + b"1",
        b"[" * 1_000_000,
        b'{"a":' * 200_000,
    ],
)
async def test_more_elements_than_any_request_has_are_refused(parser: JsonParser, body: bytes) -> None:
    with pytest.raises(InvalidArgument, match=f"request: '[0-9]+ elements' .* up to {MAX_ELEMENTS} elements"):
        await parser.parse(ar_pb2.GenerateRequest, body)


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


async def test_large_requests_wait_for_one_thread_and_only_so_many(
    parser: JsonParser, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold, running = threading.Event(), threading.Semaphore(0)
    read = parsing.parse_json

    def held(message_class: Any, body: bytes) -> Any:
        running.release()
        hold.wait(20)
        return read(message_class, body)

    monkeypatch.setattr(parsing, "parse_json", held)
    large = [asyncio.create_task(parser.parse(ar_pb2.GenerateRequest, body_of(1000))) for _ in range(MAX_WAITING)]
    await asyncio.to_thread(running.acquire)
    with pytest.raises(ResourceExhausted, match=f"large JSON requests is full .limit {MAX_WAITING}."):
        await parser.parse(ar_pb2.GenerateRequest, body_of(1000))
    monkeypatch.setattr(parsing, "parse_json", read)
    # Others are not in their way, and those that leave give their places back.
    assert await parser.parse(ar_pb2.GenerateRequest, body_of(1))
    for each in large[1:]:
        each.cancel()
    await asyncio.gather(*large[1:], return_exceptions=True)
    again = asyncio.create_task(parser.parse(ar_pb2.GenerateRequest, body_of(1000)))
    hold.set()
    assert await large[0] == await again
