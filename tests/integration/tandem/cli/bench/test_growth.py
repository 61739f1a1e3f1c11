"""`tandem bench growth` as a process against real backends with a tiny model, one of them with drafts."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.ar.settings import ArSettings
from tandem.cli.servers.ports import free_ports
from tandem.measure.report.growth import caveats, explanation
from tandem.measure.results.files import read_as
from tandem.measure.results.growth import Growth
from tests.integration.services.ar.conftest import Backend, repository, serving  # noqa: F401  a fixture
from tests.integration.tandem.cli.commands import Ended, run, run_each, started, tandem
from tests.integration.tandem.fakes import FakeGateway, fake_gateway

MOST_SEQUENCES = 4
# A tiny model is fast: streams must be long, or else one has ended before the next one begins.
LENGTHS = ("--prompt", "8", "--tokens", "300", "--context", "16,32,64,2000", "--context-tokens", "300")
SHORT = ("--model", "tiny", "--concurrency", "1,2,4", *LENGTHS)
QUICK = (*SHORT, "--draft-concurrency", "1", "--draft-tokens", "60", "--rounds", "2")


@asynccontextmanager
async def two_servers(models_dir: Path, kernel: str) -> AsyncIterator[tuple[Backend, Backend]]:
    """A server without drafts and one with them."""

    def made(speculative_tokens: int) -> ArSettings:
        return ArSettings(
            models_dir=models_dir,
            models=["tiny", "tiny-image"],
            max_context_tokens=512,
            kv_cache_tokens=4096,
            max_num_sequences=MOST_SEQUENCES,
            speculative_tokens=speculative_tokens,
            kernel=kernel,
        )

    async with serving(made(0)) as plain, serving(made(6)) as trying:
        yield plain, trying


@pytest.fixture
async def servers(repository: Any) -> AsyncIterator[tuple[Backend, Backend]]:  # noqa: F811
    async with two_servers(repository[0], "auto") as both:
        yield both


@pytest.fixture
async def slow_servers(repository: Any) -> AsyncIterator[tuple[Backend, Backend]]:  # noqa: F811
    """Slow enough that the tokens of a stream do not come in one message."""
    async with two_servers(repository[0], "torch") as both:
        yield both


async def growth(address: str, *words: str) -> Ended:
    return await run(*tandem("bench", "growth", *words, "--address", address))


async def test_a_measurement_and_its_report(slow_servers: tuple[Backend, Backend], tmp_path: Path) -> None:
    plain, trying = slow_servers
    file = tmp_path / "new" / "growth.json"
    ended = await growth(plain.address, *QUICK, "--also", f"{trying.address}=drafts", "--out", str(file))
    assert ended.code == 0, ended.err
    found = read_as(file, Growth)
    assert [point.concurrency for point in found.concurrency] == [1, 2, 4]
    assert [point.context_tokens for point in found.context] == [16, 32, 64]
    assert next(caveats(found)) == "Contexts left out, as the server takes 212 at most: 2,000."
    assert (found.models[0].name, found.models[0].device) == ("tiny", "cpu")
    for point in found.concurrency:
        assert point.decode_tokens_per_second.count == 2
        assert point.decode_tokens_per_second.low > 0
    assert found.step_fit is not None
    assert [(each.text, each.concurrency) for each in found.drafts] == [("repeats itself", 1), ("new", 1)]
    assert [(each.num_different, each.num_outputs) for each in found.drafts] == [(0, 2)] * 2
    # How many is a matter of speed: this model is faster than the client, so messages gather several steps.
    assert all(each.tokens_per_message.low >= 1.0 for point in found.drafts for each in point.results)
    assert next(explanation(found)) in ended.out
    reported = await run(*tandem("bench", "report", str(file.parent), "--out", str(tmp_path / "report.html")))
    assert reported.code == 0, reported.err
    assert "How the cost grows" in (tmp_path / "report.html").read_text()
    assert (tmp_path / "report" / "growth-middle.png").exists()


async def test_more_streams_than_run_at_once_are_told_of(servers: tuple[Backend, Backend], tmp_path: Path) -> None:
    file = tmp_path / "growth.json"
    words = ("--concurrency", f"1,{8 * MOST_SEQUENCES}", "--rounds", "1")
    ended = await growth(servers[0].address, *SHORT, *words, "--out", str(file))
    assert ended.code == 1
    assert f"{8 * MOST_SEQUENCES} streams: 1 of 1 times they never all ran at once" in ended.err
    assert [point.concurrency for point in read_as(file, Growth).concurrency] == [1]


async def test_ctrl_c_keeps_what_there_is(servers: tuple[Backend, Backend], tmp_path: Path) -> None:
    file = tmp_path / "growth.json"
    words = (*SHORT, "--rounds", "1000", "--out", str(file), "--address", servers[0].address)
    async with asyncio.timeout(60), started(*tandem("bench", "growth", *words)) as process:
        assert process.stderr is not None
        while b"round 2 " not in await process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert process.returncode == 130, err.decode()
    assert "Traceback" not in err.decode()
    document = json.loads(file.read_text())
    assert (document["is_partial"], document["problems"]) == (True, ["broken off by hand"])
    assert len(document["concurrency"]) == 3
    await servers[0].assert_idle()


async def test_no_server_is_said(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    ended = await growth(address, "--out", str(tmp_path / "growth.json"))
    assert ended.code == 1
    assert address in ended.err
    assert "Traceback" not in ended.err


async def test_a_server_that_goes_away_is_told_and_the_rest_kept(tmp_path: Path) -> None:
    file = tmp_path / "growth.json"
    async with asyncio.timeout(60), fake_gateway() as gateway:
        words = ("--model", "fake-text", "--rounds", "1000", "--concurrency", "1,2", "--context", "2")
        command = tandem("bench", "growth", *words, "--out", str(file), "--address", gateway.address)
        async with started(*command) as process:
            while len(gateway.sequential.requests) < 100:
                await asyncio.sleep(0.01)
            await gateway.server.stop(0)
            _, err = await process.communicate()
    assert process.returncode == 1
    assert "Traceback" not in err.decode()
    assert "PARTIAL" in err.decode()
    found = read_as(file, Growth)
    assert "UNAVAILABLE" in found.problems[0] or gateway.address in found.problems[0]
    assert [point.step_seconds.count > 1 for point in found.concurrency] == [True, True]
    assert found.context == ()  # the fake takes none


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with fake_gateway() as running:
        yield running


async def test_bad_input_is_named(gateway: FakeGateway, tmp_path: Path) -> None:
    ends = {
        ("--model", "nobody"): (1, "'nobody' is not served; sequential text models there: fake-text"),
        ("--model", "fake-image"): (1, "'fake-image' is not served; sequential text models there: fake-text"),
        ("--concurrency", "0"): (1, "concurrencies[0]: '0' is not accepted"),
        ("--rounds", "0"): (1, "num_rounds: 0 is not accepted"),
        ("--also", "127.0.0.1:1"): (2, "'127.0.0.1:1' is not accepted: ADDRESS=LABEL"),
        ("--model", "fake-text", "--also", "127.0.0.1:1=drafts"): (
            1,
            "also: 127.0.0.1:1=drafts: nothing answers at 127.0.0.1:1",
        ),
        ("--out", "/proc/nowhere/file.json"): (1, "/proc/nowhere"),
    }
    fixed = ("bench", "growth", "--address", gateway.address, "--out", str(tmp_path / "growth.json"))
    each = await run_each(*((*fixed, *words) for words in ends))
    for (words, (code, text)), ended in zip(ends.items(), each, strict=True):
        assert ended.code == code, words
        assert text in " ".join(ended.err.replace("│", " ").split()), words
    assert not gateway.sequential.requests


async def test_servers_of_different_weights_are_not_compared(
    servers: tuple[Backend, Backend],
    repository: Any,  # noqa: F811
    tmp_path: Path,
) -> None:
    settings = ArSettings(models_dir=repository[0], models=["tiny"], dtype="bfloat16", kernel="torch", exact="off")
    async with serving(settings) as other:
        words = ("--also", f"{other.address}=other", "--out", str(tmp_path / "growth.json"))
        ended = await growth(servers[0].address, *SHORT, *words)
    assert ended.code == 1
    assert "to be compared they must be alike" in ended.err
