"""OpenAI's framework of agents, which calls functions in chat and in the Responses API, whole and streamed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from benchmarks.peers.installing import CannotSetUp, environment
from tandem.shared.cache_folder import cache_folder
from tests.integration.gateway.protocols.backends import TEXT
from tests.integration.gateway.running import RunningGateway

REQUIREMENTS = ["openai-agents==0.24.0"]
PROGRAM = """
import asyncio, json, sys
from typing import Literal

from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool
from agents import set_tracing_disabled
from openai import AsyncOpenAI
from pydantic import BaseModel

set_tracing_disabled(True)
calls = []

@function_tool
def weather(city: Literal["Bern", "Rome"], days: Literal[1, 2, 3]) -> str:
    "Tells the weather."
    calls.append([city, days])
    return "Rain."

class Answer(BaseModel):
    is_wet: bool

async def main():
    client = AsyncOpenAI(base_url=sys.argv[1], api_key="none", max_retries=0)
    for kind in (OpenAIChatCompletionsModel, OpenAIResponsesModel):
        model, once = kind(sys.argv[2], client), "stop_on_first_tool"
        sampling = ModelSettings(tool_choice="required", parallel_tool_calls=False, extra_body={"seed": 3})
        caller = Agent("a", model=model, tools=[weather], model_settings=sampling, tool_use_behavior=once)
        whole = await Runner.run(caller, "How is the weather?")
        streamed = Runner.run_streamed(caller, "How is the weather?")
        async for _ in streamed.stream_events():
            pass
        answering = Agent("b", model=model, output_type=Answer)
        turns = [*whole.to_input_list(), {"role": "user", "content": "So?"}]
        answer = await Runner.run(answering, turns)
        print(json.dumps([calls, whole.final_output, streamed.final_output, answer.final_output.is_wet]))
        calls.clear()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def python() -> Path:
    try:
        return environment(cache_folder() / "peers" / "agents", REQUIREMENTS)
    except CannotSetUp as why:
        pytest.skip(str(why))


async def test_an_agent_calls_its_function_and_answers(gateway: RunningGateway, python: Path) -> None:
    command = [str(python), "-c", PROGRAM, f"{gateway.web_address}/v1", TEXT]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    async with asyncio.timeout(120):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    lines = list(map(json.loads, out.splitlines()))
    assert len(lines) == 2
    for calls, *results, is_wet in lines:
        assert calls[0] == calls[1]  # the same seed, streamed or not
        assert calls[0] in [[city, days] for city in ("Bern", "Rome") for days in (1, 2, 3)]
        assert (results, is_wet in (True, False)) == (["Rain.", "Rain."], True)
