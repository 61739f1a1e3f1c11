"""Every bad input gets a clear error in OpenAI's shape, and no input at all ends in a fault of the server's."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.protocols.openai.exchange import MAX_BODY_BYTES
from tests.effort import Effort
from tests.integration.gateway.callers import SECRET, client_of, keys_file
from tests.integration.gateway.protocols.backends import IMAGES, PICTURES, TEXT, Backends
from tests.integration.gateway.running import running_gateway

COMPLETIONS, CHAT, DRAW = "/v1/completions", "/v1/chat/completions", "/v1/images/generations"
USER = [{"role": "user", "content": "a"}]

# What is wrong with the sampling of a text is the same in both.
SAMPLING: dict[str, Any] = {
    "temperature": [-0.1, 10.5, "1", [1]],
    "top_p": [0, -1, 1.1],
    "top_k": [-2, 2**31, 1.5],
    "min_p": [-0.1, 1.1],
    "repetition_penalty": [0, 11],
    "presence_penalty": [-2.1, 2.1],
    "frequency_penalty": [-2.1, 2.1],
    "n": [0, 17, 2**40, True],
    "seed": [2**64, -(2**63) - 1, 1.5, "1"],
    "max_tokens": [-1, 256, 2**40],
    "min_tokens": [-1, 100],
    "tokens_per_step": [0, 65, "2", 1.5],
    "speculative_tokens": [-1, 65, "2"],
    "stop": [["x"] * 17, "", "x" * 257, [1]],
    "stop_token_ids": [[5] * 65, [-1], [384], "5"],
    "logit_bias": [{"x": 1}, {"384": 1}, {"5": 101}, {"-1": 1}, [1]],
    "stream": ["yes"],
    "use_beam_search": [True],
    "guided_regex": [5],
    "response_format": ["json", {"type": "xml"}, {"type": "json_schema"}, {"type": 5}],
}
FIELDS: dict[str, dict[str, Any]] = {
    COMPLETIONS: {
        **SAMPLING,
        "prompt": ["", [], [[]], 5, [[5, -1]], [[384]], [5, "a"], "x" * 100_000, [5] * 300, ["a"] * 257, None],
        "logprobs": [-1, 21, True],
        "best_of": [2],
        "suffix": ["x"],
        "model": [5, PICTURES, IMAGES],
        "max_tokens": [*SAMPLING["max_tokens"], 0],
    },
    CHAT: {
        **SAMPLING,
        "messages": [[], None, [{"role": "x", "content": "a"}], [{"role": "user"}]],
        "top_logprobs": [1],
        "tools": [[{"type": "function"}]],
        "audio": [{"voice": "x"}],
        "modalities": [["audio"]],
        "store": [True],
        "model": [5, PICTURES],
    },
    DRAW: {
        "prompt": [None, "11", "-1", "no such class", 5, "\u0661", "9" * 5000],
        "n": [0, 2000, "1", 2**40],
        "size": ["32x32", 28],
        "response_format": ["url"],
        "output_format": ["webp"],
        "seed": [2**64],
        "partial_images": [1],
        "model": [TEXT],
    },
}
BASE: dict[str, dict[str, Any]] = {
    COMPLETIONS: {"prompt": "a", "max_tokens": 5},
    CHAT: {"messages": USER, "max_tokens": 5},
    DRAW: {"model": IMAGES, "prompt": "1"},
}


def check_shape(response: httpx.Response) -> dict[str, Any]:
    """Return the error, which must have OpenAI's shape."""
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    [(key, error)] = response.json().items()
    assert key == "error"
    assert set(error) == {"message", "type", "param", "code"}
    result: dict[str, Any] = error
    return result


@pytest.mark.parametrize("path", FIELDS)
async def test_a_bad_value_is_refused_by_name(http: httpx.AsyncClient, path: str) -> None:
    for field, values in FIELDS[path].items():
        for value in values:
            response = await http.post(path, json={**BASE[path], field: value})
            error = check_shape(response)
            asked = f"{field}: {value!r:.60}"
            assert (response.status_code, error["type"]) == (400, "invalid_request_error"), asked
            assert error["param"].partition("[")[0].partition(".")[0] == field, asked
            assert error["message"].startswith(error["param"]), asked
            assert response.headers["x-should-retry"] == "false", asked


async def test_a_prompt_beyond_the_context_has_openai_s_code(http: httpx.AsyncClient) -> None:
    # Of too many tokens, of too many bytes for any, and of too many for the output.
    for prompt, most in (("a " * 5_000, 5), ("a" * 200_000, 5), ("a " * 90, 250)):
        for path, asked in ((COMPLETIONS, {"prompt": prompt}), (CHAT, {"messages": [{**USER[0], "content": prompt}]})):
            error = check_shape(await http.post(path, json={**asked, "max_tokens": most}))
            assert (error["code"], error["type"]) == ("context_length_exceeded", "invalid_request_error"), error


@pytest.mark.parametrize("path", ["/v1/models", "/tokenizer_info"])
async def test_what_is_read_takes_no_other_method(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.request("TRACE", path)).status_code == 405


NOTHING_WANTED = {
    COMPLETIONS: {"best_of": 1, "suffix": None, "use_beam_search": False, "response_format": {"type": "text"}},
    CHAT: {"tools": [], "tool_choice": "none", "modalities": ["text"], "store": False, "top_logprobs": None},
    DRAW: {"size": "28x28", "quality": "hd", "response_format": "b64_json", "style": "vivid", "user": "me"},
}


@pytest.mark.parametrize("path", NOTHING_WANTED)
async def test_fields_that_want_nothing_do_no_harm(http: httpx.AsyncClient, path: str) -> None:
    harmless = {"metadata": {"x": "1"}, "service_tier": "auto", "parallel_tool_calls": True, "of_the_future": None}
    assert (await http.post(path, json={**BASE[path], **NOTHING_WANTED[path], **harmless})).status_code == 200


@pytest.mark.parametrize("path", [COMPLETIONS, CHAT])
async def test_fields_that_are_misspelt_or_another_server_s_are_refused_by_name(http, path: str) -> None:
    for field, value in {"temperatur": 0.5, "n_predict": 5, "mirostat": 2, "grammar": "root ::= x"}.items():
        error = check_shape(await http.post(path, json={**BASE[path], field: value}))
        assert error["param"] == field
        assert ("temperature was meant" in error["message"]) == (field == "temperatur")
    for field in ("skip_special_tokens", "add_special_tokens", "spaces_between_special_tokens"):
        assert (await http.post(path, json={**BASE[path], field: True})).status_code == 200
        assert check_shape(await http.post(path, json={**BASE[path], field: False}))["param"] == field


NO_BODIES: dict[str, tuple[bytes, dict[str, str], int]] = {
    "torn": (b"{", {}, 400),
    "list": (b"[]", {}, 400),
    "bytes": (b"\xff", {}, 400),
    "surrogate": (b'{"prompt": "\\ud800"}', {}, 400),
    "form": (b"{}", {"content-type": "text/plain"}, 400),
    "site": (b'{"prompt": "a"}', {"origin": "http://evil.example"}, 403),
    "timeout": (b'{"prompt": "a"}', {"grpc-timeout": "soon"}, 400),
    "large": (b'{"prompt": "' + b"x" * MAX_BODY_BYTES + b'"}', {}, 413),
    "deep": (b"[" * 100_000, {}, 400),
    "many": (b'{"prompt": [' + b"5," * 200_000 + b"5]}", {}, 400),
}


async def test_a_body_that_is_none_is_refused(http: httpx.AsyncClient) -> None:
    for name, (body, headers, status) in NO_BODIES.items():
        response = await http.post(COMPLETIONS, content=body, headers={"content-type": "application/json", **headers})
        check_shape(response)
        assert response.status_code == status, name


async def test_a_large_body_is_accepted(http: httpx.AsyncClient) -> None:
    body = {**BASE[COMPLETIONS], "user": "x" * (MAX_BODY_BYTES - 100_000)}
    assert (await http.post(COMPLETIONS, json=body)).status_code == 200


async def test_an_unknown_model_and_a_missing_key_have_their_codes(backends: Backends, tmp_path: Path) -> None:
    async with (
        running_gateway(**backends.targets, api_keys_file=keys_file(tmp_path, requests=3)) as gateway,
        client_of(gateway) as http,
    ):
        for path in ("/v1/models", "/tokenizer_info"):
            assert check_shape(await http.get(path))["code"] == "invalid_api_key"
        http.headers["authorization"] = f"Bearer {SECRET}"
        unknown = await http.post(COMPLETIONS, json={"model": "x", "prompt": "a"})
        assert (unknown.status_code, check_shape(unknown)["code"]) == (404, "model_not_found")
        # Each prompt is a call, and costs a request as over gRPC.
        used = await http.post(COMPLETIONS, json={"prompt": ["a", "b", "c"], "max_tokens": 1})
        assert used.status_code == 200
        over = await http.post(COMPLETIONS, json={"prompt": "a", "max_tokens": 1})
        assert (over.status_code, check_shape(over)["code"]) == (429, "rate_limit_exceeded")
        assert 0 < int(over.headers["retry-after-ms"]) <= 1000 * int(over.headers["retry-after"])
        assert over.headers["x-should-retry"] == "true"
        await gateway.until_idle()
        assert gateway.value("tandem_requests_total", transport="openai", rpc="Complete", code="OK") == 3


VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 5, 2**31, 2**63, 2**64, -(2**63), 1e308, 1.5, 0.0, "", "a", "5", "\u00e9\U0001f600"),
    *([], {}, [1], ["a"], [[1]], [[]], [None], {"a": 1}, {"5": 1.0}, {"type": "text"}, "x" * 5000, [5] * 300),
)
NAMES = {
    COMPLETIONS: [*SAMPLING, "prompt", "logprobs", "echo", "best_of", "suffix", "model", "stream_options"],
    CHAT: [
        *(*SAMPLING, "messages", "logprobs", "top_logprobs", "max_completion_tokens", "stream_options", "model"),
        *("tools", "tool_choice", "parallel_tool_calls"),
    ],
    DRAW: ["prompt", "n", "size", "seed", "stream", "partial_images", "model", "user", "response_format"],
    "/tokenize": ["prompt", "messages", "add_special_tokens", "return_token_strs", "model"],
    "/detokenize": ["tokens", "model"],
}
GOOD: dict[str, dict[str, Any]] = {**BASE, "/tokenize": {"prompt": "a"}, "/detokenize": {"tokens": [5]}}


def fuzzed(source: random.Random) -> tuple[str, bytes]:
    """Return a path and a body: a good one with some fields replaced, and sometimes some bytes."""
    path = source.choice(list(NAMES))
    body = dict(GOOD[path])
    for name in source.sample(NAMES[path], source.randint(0, 2)):
        body[name] = source.choice(VALUES)
    if path == CHAT and source.random() < 0.5:
        names = ("role", "content", "type", "x", "tool_calls", "tool_call_id")
        turn = {source.choice(names): source.choice((*VALUES, "user")) for _ in range(3)}
        body["messages"] = [{**USER[0], **turn}]
    raw = bytearray(json.dumps(body).encode())
    while source.random() < 0.2:
        raw[source.randrange(len(raw))] = source.randrange(256)
    return path, bytes(raw)


async def test_no_body_ends_in_a_fault(http: httpx.AsyncClient, effort: Effort) -> None:
    source, statuses, count = random.Random(0), Counter[int](), effort.of(500, 10_000)
    bodies = iter([fuzzed(source) for _ in range(count)])

    async def send() -> None:
        for path, body in bodies:
            statuses[await status_of(http, path, body)] += 1

    await asyncio.gather(*(send() for _ in range(8)))
    assert statuses[200] > count / 10 < statuses[400] + statuses[404]


async def status_of(http: httpx.AsyncClient, path: str, body: bytes) -> int:
    """Return the status of the reply, which must be one that a client can understand."""
    response = await http.post(path, content=body, headers={"content-type": "application/json"})
    assert response.status_code in (200, 400, 404, 429, 503), (path, body, response.text)
    if response.status_code != 200:
        check_shape(response)
    elif "event-stream" in response.headers["content-type"]:
        assert "event: error" not in response.text
    return response.status_code
