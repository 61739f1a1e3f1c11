"""Every command of docs/clients-oip.md runs as it stands, but for the ports and the name of the text model."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path

from tests.integration.gateway.doors.oip.backends import IMAGES, TEXT
from tests.integration.gateway.doors.oip.inputs import completed, sampled
from tests.integration.gateway.running import RunningGateway

PAGE = (Path(__file__).parents[5] / "docs/clients-oip.md").read_text()
INSTALLED = "pip install"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def here(gateway: RunningGateway, text: str) -> str:
    """Return the text with this gateway's ports and this test's text model."""
    for told, real in (
        ("localhost:50050", f"127.0.0.1:{gateway.gateway.server.port}"),
        ("localhost:8080", f"127.0.0.1:{gateway.gateway.http_port}"),
        ("smollm2-135m-instruct", TEXT),
    ):
        text = text.replace(told, real)
    return text


async def output_of(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_the_python_of_the_page_runs(gateway: RunningGateway) -> None:
    program = here(gateway, "\n".join(blocks("python")))
    assert program.count("with triton.InferenceServerClient") == 3
    out = await output_of(sys.executable, "-c", program)
    text = (await completed(gateway, "The clock strikes", max_tokens=24, seed=7)).choices[0].text_delta
    assert out == f"{text}\n{text}\n(3, 28, 28, 1)\n"


async def test_the_shell_commands_of_the_page_run(gateway: RunningGateway) -> None:
    commands = [here(gateway, block) for block in blocks("sh") if not block.startswith(INSTALLED)]
    images, statistics = [json.loads(await output_of("sh", "-c", command)) for command in commands]
    expected = await sampled(gateway, seed=1, labels=[9])
    assert bytes(images["outputs"][0]["data"]) == expected.images.data
    assert statistics["model_stats"][0]["name"] == IMAGES
