"""`tandem truth`: a tester is run against the server, and told how far it is off; this tester by its own command."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import httpx
import pytest

from tests.integration.tandem.cli.commands import run, started, tandem

LAW = ("--first", "0.3", "--gap", "0.05")


@pytest.mark.parametrize("words", [("--address", "{grpc}"), ("--address", "{url}", "--api", "openai")])
async def test_this_tester_is_near_the_truth(tmp_path: Path, words: tuple[str, ...]) -> None:
    report, truth = tmp_path / "report.json", tmp_path / "truth.json"
    tester = tandem(
        "bench", "run", "-w", "text,tokens=4", "--rate", "50", "--requests", "120", "--warm-up", "0", *words
    )
    flags = (*LAW, "--report", str(report), "--json", str(truth))
    ended = await run(*tandem("truth", "check", *flags, "--", *tester, "--json", str(report)))
    for part in ("what was sent: 120 requests", "what the tester says", "ttft p50", "gap p99", "CPU a request"):
        assert part in ended.out
    found = json.loads(truth.read_text())
    assert (found["num_requests"], found["gap"]["count"]) == (120, 360)
    assert found["ttft"]["p50"] == pytest.approx(0.3, rel=0.05)
    said = json.loads(report.read_text())["streams"][0]
    assert said["first_output"]["seconds"]["p50"] == pytest.approx(found["ttft"]["p50"], rel=0.02)
    assert ended.code == 0 or "INVALID" in ended.err  # this machine may be too busy for a valid run


async def test_a_tester_that_is_off_or_fails_is_told_of() -> None:
    ask = "import os, urllib.request as u; u.urlopen(os.environ['TRUTH_URL'] + '/v1/completions', b'{}').read()"
    words = ("truth", "check", *LAW, "--strict", "--reported", "ttft_p50=0.5s", "--", sys.executable, "-c")
    ended = await run(*tandem(*words, ask))
    assert ended.code == 1
    assert "what was sent: 1 request" in ended.out
    ended = await run(*tandem(*words, f"{ask}; exit(3)"))
    assert "ended with 3" in ended.err
    ended = await run(*tandem("truth", "check", "--first", "soon", "--", "true"))
    assert "'soon' is no law of delays" in ended.err


async def test_served_until_ctrl_c() -> None:
    async with asyncio.timeout(60), started(*tandem("truth", "serve", "--first", "0", "--gap", "0")) as process:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        url = line.split("/v1")[0]
        reply = await asyncio.to_thread(httpx.post, f"{url}/v1/completions", json={"max_tokens": 2})
        assert reply.json()["usage"]["completion_tokens"] == 2
        process.send_signal(signal.SIGINT)
        rest, _ = await process.communicate()
    assert process.returncode == 0
    assert "what was sent: 1 request" in rest.decode()
