"""A judge of others, llm-comply: the Open Responses specification, and what OpenAI's chat must have."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from benchmarks.peers.installing import CannotSetUp, environment
from tandem.shared.cache_folder import cache_folder
from tests.integration.gateway.protocols.backends import TEXT
from tests.integration.gateway.running import RunningGateway

REQUIREMENTS = ["llm-comply==0.5.0"]
# Without images in prompts, reasoning and compaction, which there are none of, and a request that names no model, which
# goes to the only one.
CASES = {
    "open-responses": "basic-response,system-prompt,multi-turn,tool-calling,streaming-response,streaming-usage,"
    "assistant-phase",
    "openai-chat": "chat-basic-response,chat-system-prompt,chat-multi-turn,chat-tool-calling,chat-streaming-response,"
    "chat-streaming-usage",
}


@pytest.fixture(scope="module")
def program() -> Path:
    try:
        return environment(cache_folder() / "peers" / "comply", REQUIREMENTS).parent / "llm-comply"
    except CannotSetUp as why:
        pytest.skip(str(why))


@pytest.mark.parametrize("kind", CASES)
async def test_all_cases_pass_without_a_warning(gateway: RunningGateway, program: Path, kind: str) -> None:
    about = ("--format", kind, "--filter", CASES[kind], "--model", TEXT, "--api-key", "none", "--json")
    about = (*about, "--ignore", "got 'incomplete',got 'length'")  # a model of random weights seldom comes to an end
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        str(program), *about, "--base-url", f"{gateway.web_address}/v1", stdout=pipe, stderr=pipe
    )
    async with asyncio.timeout(120):
        out, err = await process.communicate()
    assert process.returncode == 0, out.decode() + err.decode()
    assert [each["status"] for each in json.loads(out)["results"]] == ["passed"] * len(CASES[kind].split(","))
