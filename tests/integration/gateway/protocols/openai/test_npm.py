"""OpenAI's client for JavaScript, as npm installs it: streams, leaves, reads errors."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.integration.gateway.running import RunningGateway
from tests.npm import install_openai

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


async def test_npm_s_client_streams_leaves_and_reads_errors(gateway: RunningGateway, tmp_path: Path) -> None:
    install_openai(tmp_path)
    (tmp_path / "checks.mjs").write_text(NPM_CHECKS)
    process = await asyncio.create_subprocess_exec(
        "node", "checks.mjs", f"{gateway.web_address}/v1", cwd=tmp_path, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(120):
        _, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        await gateway.until_idle()
