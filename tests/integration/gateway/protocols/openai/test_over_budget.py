"""What a request costs by this protocol, and what becomes of the requests of a caller whose budget is used up."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.gateway.callers import SECRET, keys_file
from tests.integration.gateway.protocols.backends import IMAGES, PICTURES, Backends
from tests.integration.gateway.running import RunningGateway, running_gateway

COMPLETIONS = "/v1/completions"


@contextlib.asynccontextmanager
async def with_budget(
    backends: Backends, folder: Path, **budgets: int
) -> AsyncIterator[tuple[RunningGateway, httpx.AsyncClient]]:
    """A gateway whose caller has these budgets, which do not fill again, and the caller's client."""
    headers = {"authorization": f"Bearer {SECRET}"}
    async with (
        running_gateway(**backends.targets, clock=lambda: 0.0, api_keys_file=keys_file(folder, **budgets)) as gateway,
        httpx.AsyncClient(base_url=gateway.web_address, headers=headers, timeout=30) as http,
    ):
        yield gateway, http


ALONE: list[dict[str, Any]] = [
    {"prompt": ["a", "b", "c"]},
    {"prompt": ["a", "b", "c"], "stream": True},
    {"prompt": [[5], [6], [7]]},
    {"prompt": [[5], [6], [7]], "logprobs": 1},
    {"prompt": ["one two", "three four", "five six"], "logprobs": 1},
]


@pytest.mark.parametrize("body", ALONE)
async def test_each_prompt_costs_a_request_without_output_too(
    backends: Backends, tmp_path: Path, body: dict[str, Any]
) -> None:
    async with with_budget(backends, tmp_path, requests=4) as (_, http):
        echo = {"echo": True, "max_tokens": 0}
        assert (await http.post(COMPLETIONS, json={**body, **echo})).status_code == 200
        assert (await http.post("/tokenize", json={"prompt": "a"})).status_code == 200
        assert (await http.post(COMPLETIONS, json={**body, **echo})).status_code == 429


async def test_who_is_over_budget_is_refused_before_the_body_is_read(backends: Backends, tmp_path: Path) -> None:
    async with with_budget(backends, tmp_path, requests=1) as (_, http):
        for body, status in (({"prompt": 5}, 400), ({"prompt": "a", "max_tokens": 1}, 200), ({"prompt": 5}, 429)):
            assert (await http.post(COMPLETIONS, json=body)).status_code == status
        assert (await http.get("/v1/models")).status_code == 200


async def test_a_refusal_after_a_call_that_helps_is_counted(backends: Backends, tmp_path: Path) -> None:
    async with with_budget(backends, tmp_path, requests=1) as (gateway, http):
        body = {"prompt": ["a", "b"], "max_tokens": 1, "echo": True}
        assert (await http.post(COMPLETIONS, json=body)).status_code == 429
        await gateway.until_idle()
        ended = {"transport": "openai", "code": "RESOURCE_EXHAUSTED"}
        assert gateway.value("tandem_requests_over_budget_total") == 1
        assert gateway.value("tandem_requests_total", rpc="Complete", **ended) == 1
        assert gateway.value("tandem_requests_total", **ended) == 1


@pytest.mark.parametrize(("model", "rpc"), [(PICTURES, "Generate"), (IMAGES, "Sample")])
async def test_a_bad_image_request_counts_as_one_of_its_model_s(
    gateway: RunningGateway, http: httpx.AsyncClient, model: str, rpc: str
) -> None:
    response = await http.post("/v1/images/generations", json={"model": model, "prompt": "1", "size": "1x1"})
    assert response.status_code == 400
    assert gateway.value("tandem_requests_total", transport="openai", rpc=rpc, code="INVALID_ARGUMENT") == 1
    assert gateway.value("tandem_requests_total", transport="openai") == 1
