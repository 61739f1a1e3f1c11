"""`tandem bench growth` as a process against real backends with a tiny model, one of them with drafts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.ar.settings import ArSettings
from tandem.measure.report.prose import paragraphs
from tandem.measure.results.files import read_as
from tandem.measure.results.growth import Growth
from tests.integration.services.ar.conftest import Backend, repository, serving  # noqa: F401  a fixture
from tests.integration.tandem.cli.commands import Ended, run, tandem

MOST_SEQUENCES = 4
# A tiny model is fast: streams must be long, or else one has ended before the next one begins.
LENGTHS = ("--prompt", "8", "--tokens", "300", "--context", "16,32,64,2000", "--context-tokens", "300")
SHORT = ("--model", "tiny", "--concurrency", "1,2,4", *LENGTHS)
FEWER = ("--tokens", "120", "--context-tokens", "100", "--draft-tokens", "60")
QUICK = (*SHORT, *FEWER, "--draft-concurrency", "1", "--rounds", "2")


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
    assert [point.at for point in found.of("streams")] == [1, 2, 4]
    assert [point.at for point in found.of("context")] == [16, 32, 64]
    assert paragraphs("growth.caveats", found)[0] == "Contexts left out, as the server takes 412 at most: 2,000."
    assert (found.models[0].name, found.models[0].device) == ("tiny", "cpu")
    for point in found.of("streams"):
        assert point.figures["decode_tokens_per_second"].count == 2
        assert point.figures["decode_tokens_per_second"].low > 0
    assert found.step_fit is not None
    drafts = found.of("repeats itself", "new")
    assert [(each.kind, each.at) for each in drafts] == [("repeats itself", 1)] * 2 + [("new", 1)] * 2
    assert [(each.num_different, each.num_outputs) for each in drafts] == [(0, 0), (0, 2)] * 2
    # How many is a matter of speed: this model is faster than the client, so messages gather several steps.
    assert all(each.figures["tokens_per_message"].low >= 1.0 for each in drafts)
    assert paragraphs("growth.explanation", found)[0] in ended.out
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
    assert [point.at for point in read_as(file, Growth).of("streams")] == [1]


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
