"""The calls in docs/clients-openai.md as they stand there: Python, JavaScript with the package from npm, curl."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.gateway.doors.openai.stubs import PICTURES, TEXT
from tests.integration.gateway.running import RunningGateway

DOCUMENT = Path(__file__).parents[5] / "docs" / "clients-openai.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
NPM_PACKAGE = "openai@6.49.0"


def blocks(language: str, gateway: RunningGateway) -> list[str]:
    """Return what is written in a language, for this gateway and its models."""
    told = {"http://localhost:8080": gateway.web_address, "smollm2-135m-instruct": TEXT, "fashion-ar": PICTURES}
    found = [text for name, text in BLOCKS if name == language]
    for old, new in told.items():
        found = [text.replace(old, new) for text in found]
    return found


async def output_of(*command: str, folder: Path | None = None) -> str:
    """Return what a program prints; it must end well, and in time."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_python(gateway: RunningGateway) -> None:
    texts, pictures = blocks("python", gateway)
    out = await output_of(sys.executable, "-c", texts)
    assert f"['{TEXT}'" in out
    assert "prompt_tokens" in out
    assert "[None, -" in out
    out = await output_of(sys.executable, "-c", pictures)
    assert out.count("bytes of PNG") == 4
    # On a busy machine the tokens of an image may come in one message, and then there is none on the way.
    assert out.count("image_generation.partial_image") <= 3
    assert "image_generation.completed" in out


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with OpenAI's package for JavaScript."""
    for program in ("node", "npm", "curl"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} here, with which the documented calls are made")
    folder = tmp_path_factory.mktemp("npm")
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", NPM_PACKAGE]
    try:
        done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not install OpenAI's package within a minute")
    if done.returncode:
        pytest.skip(f"npm cannot install OpenAI's package here: {done.stderr[-200:]}")
    return folder


async def test_javascript(gateway: RunningGateway, packages: Path) -> None:
    [program] = blocks("javascript", gateway)
    (packages / "documented.mjs").write_text(program)
    assert (await output_of("node", "documented.mjs", folder=packages)).strip()


NPM_CHECKS = """
import OpenAI from "openai";
const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none", maxRetries: 0 });
const body = { model: "tiny", messages: [{ role: "user", content: "a" }], seed: 3, max_tokens: 12 };
const whole = await client.chat.completions.create(body);
let text = "";
for await (const chunk of await client.chat.completions.create({ ...body, stream: true })) {
  text += chunk.choices[0].delta.content ?? "";
}
if (text !== whole.choices[0].message.content) throw new Error(`stream ${text}`);
try {
  await client.chat.completions.create({ ...body, temperature: 99 });
  throw new Error("no refusal");
} catch (error) {
  if (!(error instanceof OpenAI.BadRequestError) || error.param !== "temperature") throw error;
}
for await (const chunk of await client.chat.completions.create({ ...body, max_tokens: 200, stream: true })) {
  break;  // leaves
}
const drawn = await client.images.generate({ model: "fashion-gan", prompt: "1" });
if (!drawn.data[0].b64_json) throw new Error("no image");
"""


async def test_npm_s_client_streams_leaves_and_reads_errors(gateway: RunningGateway, packages: Path) -> None:
    (packages / "checks.mjs").write_text(NPM_CHECKS)
    await output_of("node", "checks.mjs", f"{gateway.web_address}/v1", folder=packages)
    async with asyncio.timeout(60):
        await gateway.until_idle()


async def test_curl(gateway: RunningGateway) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here, with which the documented calls are made")
    [commands] = blocks("bash", gateway)
    out = await output_of("bash", "-e", "-c", commands)
    assert "data: [DONE]" in out
    assert '"count":' in out
