"""Structured output through the protocol: what comes out matches, streamed or not, in chat and in completions."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import jsonschema
import openai
import pytest

from tests.integration.gateway.protocols.backends import TEXT
from tests.integration.gateway.protocols.openai.events import events_of

SCHEMA = {
    "type": "object",
    "properties": {"name": {"enum": ["Ada", "Alan"]}, "old": {"type": "boolean"}},
    "required": ["name", "old"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": SCHEMA}}
MESSAGES = [{"role": "user", "content": "Who?"}]
GRAMMAR = f"%llguidance {{}}\n\nstart: a\na[capture]: %json {json.dumps(SCHEMA)}"


@pytest.mark.parametrize(
    "fields",
    [
        {"response_format": {"type": "json_object", "schema": SCHEMA}},  # of instructor in JavaScript
        {"response_format": {"type": "json_object", "value": SCHEMA}},  # of huggingface_hub
        {"response_format": FORMAT, "strictJsonSchema": True},  # of Mastra
        {"response_format": {**FORMAT, "json_schema": {"schema": {**SCHEMA, "$id": "Output Format"}}}},  # of Griptape
        # Guidance says the same to two versions of vLLM.
        {"guided_decoding_backend": "guidance", "guided_grammar": GRAMMAR, "structured_outputs": {"grammar": GRAMMAR}},
    ],
)
async def test_other_clients_words_hold(http: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    reply = (await http.post("/v1/chat/completions", json={"messages": MESSAGES, "seed": 3, **fields})).json()
    [choice] = reply["choices"]
    jsonschema.validate(json.loads(choice["message"]["content"]), SCHEMA)


async def test_a_schema_holds_in_every_choice(client: openai.AsyncOpenAI) -> None:
    found = await client.chat.completions.create(
        model=TEXT, messages=MESSAGES, response_format=FORMAT, n=8, seed=2, max_tokens=100
    )
    for choice in found.choices:
        assert choice.finish_reason == "stop"
        jsonschema.validate(json.loads(choice.message.content or ""), SCHEMA)


@pytest.mark.parametrize(
    ("fields", "pattern"),
    [
        ({"guided_regex": "[ab]{3}"}, "[ab]{3}"),
        ({"structured_outputs": {"choice": ["yes", "no"]}}, "yes|no"),
        ({"structured_outputs": {"grammar": 'start: "x" "y"'}}, "xy"),
    ],
)
async def test_vllm_s_words_hold_in_completions(http: httpx.AsyncClient, fields: dict[str, Any], pattern: str) -> None:
    body = {"prompt": "a", "max_tokens": 20, "n": 4, **fields}
    reply = (await http.post("/v1/completions", json=body)).json()
    for choice in reply["choices"]:
        assert re.fullmatch(pattern, choice["text"])
    parts = await events_of(http, "/v1/completions", {**body, "n": 1, "stream": True})
    assert re.fullmatch(pattern, "".join(part["choices"][0]["text"] for part in parts))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "x"}}}}, "response_format"),
        ({"guided_regex": "("}, "guided_regex"),
        ({"guided_choice": [""]}, "guided_choice"),
        ({"guided_grammar": "no grammar"}, "guided_grammar"),
        ({"structured_outputs": {"regex": "["}}, "structured_outputs.regex"),
    ],
)
async def test_a_constraint_that_is_none_is_refused_by_the_body_s_own_field(
    http: httpx.AsyncClient, fields: dict[str, Any], param: str
) -> None:
    response = await http.post("/v1/chat/completions", json={"messages": MESSAGES, **fields})
    assert response.status_code == 400
    assert response.json()["error"]["param"].startswith(param)
