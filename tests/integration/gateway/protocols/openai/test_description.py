"""The API describes itself: an OpenAPI document that is true, a page that needs nothing from elsewhere."""

from __future__ import annotations

import re
from typing import Any

import httpx
import jsonschema
import pytest

from tests.integration.gateway.protocols.openai.test_refusals import BASE, CHAT, COMPLETIONS, SAMPLING


@pytest.fixture
async def document(http: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await http.get("/openapi.json")).json()
    return found


def schema_of(document: dict[str, Any], name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}", "components": document["components"]}


BODIES: dict[str, tuple[str, dict[str, Any], str]] = {
    "/v1/completions": (
        "CompletionBody",
        {"prompt": [[5, 6]], "logprobs": 1, "echo": True, "max_tokens": 2},
        "Completion",
    ),
    "/v1/chat/completions": (
        "ChatBody",
        {"messages": [{"role": "user", "content": "a"}], "logprobs": True, "max_tokens": 2},
        "ChatCompletion",
    ),
    "/v1/images/generations": ("ImageBody", {"prompt": "1", "model": "fashion-gan"}, "Images"),
    "/tokenize": ("TokenizeBody", {"prompt": "a"}, "Tokenized"),
    "/detokenize": ("DetokenizeBody", {"tokens": [5]}, "Detokenized"),
}


@pytest.mark.parametrize("path", BODIES)
async def test_bodies_and_replies_are_as_described(
    http: httpx.AsyncClient, document: dict[str, Any], path: str
) -> None:
    body_name, body, reply_name = BODIES[path]
    content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    assert content["schema"]["$ref"].endswith(f"/{body_name}")
    jsonschema.validate(body, schema_of(document, body_name))
    reply = (await http.post(path, json=body)).json()
    jsonschema.validate(reply, schema_of(document, reply_name))
    wrong = (await http.post(path, json={})).json()
    jsonschema.validate(wrong, schema_of(document, "Error"))


RANGED = ("temperature", "top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty")
RANGED += ("n", "seed", "speculative_tokens")


@pytest.mark.parametrize(
    ("path", "name", "base", "fields"),
    [
        (COMPLETIONS, "CompletionBody", BASE[COMPLETIONS], RANGED),
        (CHAT, "ChatBody", BASE[CHAT], RANGED),
        ("/v1/responses", "ResponseBody", {"input": "a", "max_output_tokens": 5}, ("temperature", "top_p", "seed")),
    ],
)
async def test_ranges_are_those_that_hold(
    http: httpx.AsyncClient, document: dict[str, Any], path: str, name: str, base: dict[str, Any], fields: tuple[str]
) -> None:
    described = jsonschema.Draft202012Validator(schema_of(document, name))
    properties = document["components"]["schemas"][name]["properties"]
    for field in (*fields, *({"tokens_per_step", "stop"} & properties.keys())):
        for value in SAMPLING[field]:  # which are refused
            assert not described.is_valid({**base, field: value}), (field, value)
    for field in fields:
        [number] = (each for each in properties[field]["anyOf"] if len(each) > 1)
        for end in number.keys() & {"minimum", "maximum"}:
            body = {**base, field: number[end]}
            assert (await http.post(path, json=body)).status_code == 200, body
            assert described.is_valid(body)


async def test_every_described_path_is_served(http: httpx.AsyncClient, document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method in operations:
            response = await http.request(method, path.format(id="tiny"))
            assert response.status_code in (200, 400), path
    references = re.findall(r'"\$ref": ?"#/components/schemas/(\w+)"', str(document).replace("'", '"'))
    assert set(references) <= set(document["components"]["schemas"])


async def test_the_page_has_all_of_it_and_loads_nothing_from_elsewhere(
    http: httpx.AsyncClient, document: dict[str, Any]
) -> None:
    page = await http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    for path in document["paths"]:
        assert path in page.text
    assert not re.search(r"https?://|<script|\son\w+=|<style|style=", page.text)
    for link in re.findall(r'href="(/[^"]*)"', page.text):
        assert (await http.get(link)).status_code == 200
