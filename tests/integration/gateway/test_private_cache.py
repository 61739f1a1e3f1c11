"""The prefix cache behind the gateway: two callers with keys, the real sequential backend, and metadata that lies."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.access.api_keys import ApiKey
from runtime.rpc.metadata import CALLER_METADATA
from services.ar.settings import ArSettings
from tandem.ar.v1 import ar_pb2
from tests.integration.gateway.callers import write_keys
from tests.integration.gateway.running import RunningGateway, running_gateway
from tests.integration.services.ar.conftest import Backend, serving
from tests.tiny_models import add_to_repository

COMPLETE = "/tandem.ar.v1.AutoregressiveService/Complete"
SECRETS = {"alice": "tdm_of-alice", "bob": "tdm_of-bob"}
PROMPT = list(range(5, 85))  # five blocks of 16 tokens; the last token is always computed
SHARED_TOKENS = 64


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    add_to_repository(folder)
    return folder


@pytest.fixture
async def backend(models_dir: Path) -> AsyncIterator[Backend]:
    settings = ArSettings(models_dir=models_dir, models=["tiny"], max_context_tokens=256, kv_cache_tokens=1024)
    async with serving(settings) as running:
        yield running


@pytest.fixture
async def keyed(backend: Backend, tmp_path: Path) -> AsyncIterator[RunningGateway]:
    keys = write_keys(tmp_path, *((name, secret, {}) for name, secret in SECRETS.items()))
    async with running_gateway(ar_targets=[backend.address], api_keys_file=keys) as running:
        await running.until_replicas_serve("sequential", 1)
        yield running


def request() -> ar_pb2.CompleteRequest:
    sampling = ar_pb2.SamplingParams(max_tokens=4, temperature=0, ignore_eos=True)
    return ar_pb2.CompleteRequest(
        generate=ar_pb2.GenerateRequest(tokens=ar_pb2.TokenPrompt(ids=PROMPT), sampling=sampling)
    )


def identifier_of(name: str) -> str:
    digest = hashlib.sha256(SECRETS[name].encode()).hexdigest()
    return ApiKey(name=name, sha256=digest).caller_id()


async def complete(gateway: RunningGateway, name: str, **extra: str) -> ar_pb2.CompleteResponse:
    metadata = (("authorization", f"Bearer {SECRETS[name]}"), *extra.items())
    reply = await gateway.unary(COMPLETE, request().SerializeToString(), metadata=metadata)
    return ar_pb2.CompleteResponse.FromString(reply)


async def test_a_caller_finds_her_own_prompts_only_whoever_she_says_she_is(keyed: RunningGateway) -> None:
    """It may send any identifier, even the true one of another: it stays who its key says."""
    first = await complete(keyed, "alice")
    spoofed = await complete(keyed, "bob", **{CALLER_METADATA: identifier_of("alice")})
    hers = await complete(keyed, "alice", **{CALLER_METADATA: identifier_of("bob")})
    assert [each.usage.cached_tokens for each in (first, spoofed, hers)] == [0, 0, SHARED_TOKENS]
    assert first.choices == spoofed.choices == hers.choices
