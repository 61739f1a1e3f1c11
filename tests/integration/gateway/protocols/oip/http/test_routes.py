"""The protocol over HTTP: JSON and binary tensors, the same answers as over gRPC, errors in its own shape."""

from __future__ import annotations

import asyncio
import json
import struct
from random import Random
from typing import Any

import httpx
import pytest

from tests.effort import Effort
from tests.integration.gateway.protocols.backends import IMAGES, PICTURES, TEXT
from tests.integration.gateway.protocols.oip.inputs import completed, sampled
from tests.integration.gateway.running import RunningGateway

LENGTH = "inference-header-content-length"


def tensor(name: str, datatype: str, *data: Any, shape: list[int] | None = None) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": list(data)}


def text(prompt: str, **sampling: Any) -> dict[str, Any]:
    parameters = tensor("sampling_parameters", "BYTES", json.dumps(sampling))
    return {"inputs": [tensor("text_input", "BYTES", prompt), parameters]}


def error_of(response: httpx.Response) -> str:
    body = response.json()
    assert list(body) == ["error"]
    assert isinstance(body["error"], str)
    return body["error"]


async def test_what_the_server_says(http: httpx.AsyncClient) -> None:
    assert (await http.get("/v2/health/live")).json() == {"live": True}
    assert (await http.get("/v2/health/ready")).json() == {"ready": True}
    assert (await http.get("/v2")).json()["name"] == "tandem"
    for model in (TEXT, PICTURES, IMAGES):
        for path in (f"/v2/models/{model}", f"/v2/models/{model}/versions/1"):
            assert (await http.get(f"{path}/ready")).status_code == 200
            metadata = (await http.get(path)).json()
            assert (metadata["name"], metadata["versions"]) == (model, ["1"])
            assert {"name", "datatype", "shape"} == set(metadata["inputs"][0])
            assert all(isinstance(size, int) for each in metadata["outputs"] for size in each["shape"])
            config = (await http.get(f"{path}/config")).json()
            assert config["name"] == model
            assert config["model_transaction_policy"]["decoupled"] is (model != IMAGES)
            assert config["input"][0]["data_type"].startswith("TYPE_")
            [statistics] = (await http.get(f"{path}/stats")).json()["model_stats"]
            assert (statistics["name"], statistics["inference_stats"]["queue"]["count"]) == (model, 0)
    assert (await http.get("/v2/models/nothing/ready")).status_code == 400
    assert len((await http.get("/v2/models/stats")).json()["model_stats"]) == 3
    assert {each["name"] for each in (await http.post("/v2/repository/index")).json()} == {TEXT, PICTURES, IMAGES}
    missing = await http.get("/v2/models/nothing")
    assert (missing.status_code, "there is no 'nothing'" in error_of(missing)) == (404, True)


@pytest.mark.parametrize("asked", ["output", "request"])
async def test_images_in_binary(gateway: RunningGateway, http: httpx.AsyncClient, asked: str) -> None:
    expected = await sampled(gateway, seed=2**64 - 1)
    seed = {"name": "seed", "datatype": "UINT64", "shape": [1, 1], "parameters": {"binary_data_size": 8}}
    wanted = {"outputs": [{"name": "images", "parameters": {"binary_data": True}}]}
    head = json.dumps(
        {"inputs": [seed], **(wanted if asked == "output" else {"parameters": {"binary_data_output": True}})}
    )
    body = head.encode() + struct.pack("<Q", 2**64 - 1)
    response = await http.post(f"/v2/models/{IMAGES}/infer", content=body, headers={LENGTH: str(len(head))})
    length = int(response.headers[LENGTH])
    assert response.headers["content-type"] == "application/octet-stream"
    [output] = json.loads(response.content[:length])["outputs"]
    assert output["parameters"] == {"binary_data_size": len(expected.images.data)}
    assert response.content[length:] == expected.images.data


GENERATE = f"/v2/models/{TEXT}/generate"


@pytest.mark.parametrize(
    "asked",
    [
        {"max_tokens": 9, "seed": 1},
        {"parameters": {"max_tokens": 9, "seed": 1, "stream": False}},
        {"seed": 2, "sampling_parameters": '{"max_tokens": "9", "seed": 1}'},
    ],
)
async def test_generate_takes_and_gives_plain_values(
    gateway: RunningGateway, http: httpx.AsyncClient, asked: dict[str, Any]
) -> None:
    expected = await completed(gateway, "Früh", max_tokens=9, seed=1)
    response = await http.post(GENERATE, json={"text_input": "Früh", "id": "8", **asked})
    assert response.json() == {
        "id": "8",
        "model_name": TEXT,
        "model_version": "1",
        "seed": 1,
        "fingerprint": expected.usage.fingerprint,
        "text_output": expected.choices[0].text_delta,
    }


async def test_generate_of_images_and_of_several_texts(gateway: RunningGateway, http: httpx.AsyncClient) -> None:
    expected = await sampled(gateway, count=1, labels=[3], seed=7)
    reply = (await http.post(f"/v2/models/{IMAGES}/generate", json={"label": 3, "seed": 7})).json()
    assert bytes(reply["images"]) == expected.images.data
    latents = {"latents": [0.5] * 64}
    assert len((await http.post(f"/v2/models/{IMAGES}/versions/1/generate", json=latents)).json()["images"]) == 28 * 28
    texts = (await http.post(GENERATE, json={"text_input": "a", "n": 2, "max_tokens": 3})).json()["text_output"]
    assert [type(text) for text in texts] == [str, str]


async def test_generate_stream_sends_events_to_curl(gateway: RunningGateway) -> None:
    expected = await completed(gateway, "Früh", max_tokens=9, seed=1)
    body = json.dumps(
        {"text_input": "Früh", "parameters": {"max_tokens": 9, "seed": 1}, "return_num_output_tokens": True}
    )
    command = ["curl", "-sS", "--fail", "-N", "-i", f"{gateway.web_address}{GENERATE}_stream", "-d", body]
    for _ in range(50):
        curl = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        head, _, text = (await curl.communicate())[0].decode().partition("\r\n\r\n")
        assert "content-type: text/event-stream" in head
        *events, end = text.split("\n\n")
        assert end == ""
        replies = [json.loads(event.removeprefix("data: ")) for event in events]
        if len(replies) > 1:  # tokens that are ready together travel together, which on a busy machine may be all
            break
    assert len(replies) > 1
    assert "".join(reply["text_output"] for reply in replies) == expected.choices[0].text_delta
    assert sum(reply["num_output_tokens"] for reply in replies) == 9
    assert all(set(reply) >= {"model_name", "model_version", "text_output"} for reply in replies)
    assert replies[-1]["fingerprint"] == expected.usage.fingerprint


@pytest.mark.parametrize("path", [GENERATE, f"{GENERATE}_stream"])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "request: "),
        (b"[]", "request: "),
        (b"{}", "text_input: 'no tensor' is not accepted"),
        (b'{"text_input": 5}', "text_input.data: [5] is not accepted"),
        (b'{"text_input": "a", "max_token": 5}', "parameters.max_token: 5 is not accepted"),
        (b'{"text_input": "a", "max_tokens": [5]}', "max_tokens: [5] is not accepted"),
        (b'{"text_input": "a", "parameters": 5}', "parameters: 5 is not accepted"),
        (b'{"text_input": "a", "temperature": 99}', "sampling_parameters.temperature: 99.0 is not accepted"),
    ],
)
async def test_a_bad_request_to_generate_is_told(http: httpx.AsyncClient, path: str, body: bytes, words: str) -> None:
    response = await http.post(path, content=body)
    assert (response.status_code, words in error_of(response)) == (400, True), response.text


BAD: dict[str, tuple[bytes, dict[str, str], str]] = {
    "no JSON": (b"{", {}, "request: b'{' is not accepted; accepted: a JSON object"),
    "a list": (b"[]", {}, "request: [] is not accepted"),
    "inputs": (b'{"inputs": 1}', {}, "inputs: 1 is not accepted"),
    "an input": (b'{"inputs": [1]}', {}, "inputs[0]: 1 is not accepted"),
    "a name": (b'{"inputs": [{"name": 1}]}', {}, "inputs[0].name: 1 is not accepted"),
    "unknown": (json.dumps({"inputs": [tensor("x", "INT32", 1)]}).encode(), {}, "inputs: 'x' is not accepted"),
    "a shape": (b'{"inputs": [{"name": "seed", "datatype": "UINT64", "shape": ["a"]}]}', {}, "inputs[0].shape[0]: 'a'"),
    "data": (json.dumps({"inputs": [tensor("seed", "UINT64", "a")]}).encode(), {}, "seed.data: ['a'] is not accepted"),
    "no data": (b'{"inputs": [{"name": "seed", "datatype": "UINT64", "shape": [1]}]}', {}, "seed.data: None"),
    "too large": (json.dumps({"inputs": [tensor("seed", "UINT64", 2**64)]}).encode(), {}, "seed.data: [1844674407370"),
    "a length": (b"{}", {LENGTH: "9"}, f"{LENGTH}: '9' is not accepted"),
    "a huge length": (b"{}", {LENGTH: "9" * 5000}, f"{LENGTH}: "),
    "no length": (b"{}", {LENGTH: "x"}, f"{LENGTH}: 'x' is not accepted"),
    "more bytes": (b"{}abc", {LENGTH: "2"}, "request: '3 bytes behind the last tensor' is not accepted"),
    "fewer bytes": (
        b'{"inputs":[{"name":"seed","datatype":"UINT64","shape":[1],"parameters":{"binary_data_size":9}}]}',
        {},
        "seed.parameters.binary_data_size: 9 is not accepted; accepted: 0 to 0",
    ),
    "compressed": (b"{}", {"content-encoding": "br"}, "content-encoding: 'br' is not accepted; accepted: 'gzip' or"),
    "many elements": (b'{"inputs":[' + b"[]," * 140_000 + b"[]]}", {}, "up to 131072 elements"),
    "label 10": (json.dumps({"inputs": [tensor("label", "INT32", 10)]}).encode(), {}, "label: 10 is not accepted"),
}


async def test_a_bad_request_is_told(gateway: RunningGateway, http: httpx.AsyncClient) -> None:
    for name, (body, headers, words) in BAD.items():
        before = gateway.value("tandem_requests_total", transport="oip", code="INVALID_ARGUMENT", rpc="Sample")
        response = await http.post(f"/v2/models/{IMAGES}/infer", content=body, headers=headers)
        assert (response.status_code, words in error_of(response)) == (400, True), (name, response.text)
        await gateway.until_idle()
        counted = gateway.value("tandem_requests_total", transport="oip", code="INVALID_ARGUMENT", rpc="Sample")
        if not headers:
            assert counted == before + 1, name


async def test_another_site_cannot_drive_it(http: httpx.AsyncClient) -> None:
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
        response = await http.post(f"/v2/models/{IMAGES}/infer", content=b"{}", headers=headers)
        assert (response.status_code, "PERMISSION_DENIED" in error_of(response)) == (403, True)


async def test_strange_bodies_end_in_a_status(http: httpx.AsyncClient, effort: Effort) -> None:
    good = json.dumps({"inputs": [tensor("seed", "UINT64", 1, shape=[1, 1]), tensor("label", "INT32", 3)]}).encode()
    codes: dict[int, int] = {}
    for number in range(effort.of(300, 5_000)):
        random = Random(number)
        body = bytearray(good)
        for _ in range(random.choice((1, 1, 2, 5))):
            body[random.randrange(len(body))] = random.choice(b'{}[]",:0123456789-eE.ntf \\\xff')
        response = await http.post(f"/v2/models/{IMAGES}/infer", content=bytes(body))
        codes[response.status_code] = codes.get(response.status_code, 0) + 1
        if response.status_code != 200:
            error_of(response)
    assert set(codes) <= {200, 400, 404}, codes
    assert min(codes[200], codes[400]) > 5
