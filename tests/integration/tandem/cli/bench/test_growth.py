"""`tandem bench growth` as a process against a real backend with a tiny model."""

from __future__ import annotations

from collections.abc import AsyncIterator
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
QUICK = (*SHORT, "--tokens", "120", "--context-tokens", "100", "--rounds", "2")


@pytest.fixture(params=["auto"])
async def server(request: Any, repository: Any) -> AsyncIterator[Backend]:  # noqa: F811
    """With the kernel that a test wants."""
    settings = ArSettings(
        models_dir=repository[0],
        models=["tiny", "tiny-image"],
        max_context_tokens=512,
        kv_cache_tokens=4096,
        max_num_sequences=MOST_SEQUENCES,
        kernel=request.param,
    )
    async with serving(settings) as running:
        yield running


async def growth(address: str, *words: str) -> Ended:
    return await run(*tandem("bench", "growth", *words, "--address", address))


@pytest.mark.parametrize("server", ["torch"], indirect=True)  # slow: a stream's tokens do not come in one message
async def test_a_measurement_and_its_report(server: Backend, tmp_path: Path) -> None:
    file = tmp_path / "new" / "growth.json"
    ended = await growth(server.address, *QUICK, "--out", str(file))
    assert ended.code == 0, ended.err
    found = read_as(file, Growth)
    assert [point.at for point in found.streams] == [1, 2, 4]
    assert [point.at for point in found.contexts] == [16, 32, 64]
    assert paragraphs("growth.caveats", found)[0] == "Contexts left out, as the server takes 412 at most: 2,000."
    assert (found.models[0].name, found.models[0].device) == ("tiny", "cpu")
    for point in found.streams:
        assert point.figures["decode_tokens_per_second"].count == 2
        assert point.figures["decode_tokens_per_second"].low > 0
    assert found.step_fit is not None
    assert paragraphs("growth.explanation", found)[0] in ended.out
    reported = await run(*tandem("bench", "report", str(file.parent), "--out", str(tmp_path / "report.html")))
    assert reported.code == 0, reported.err
    assert "How the cost grows" in (tmp_path / "report.html").read_text()
    assert (tmp_path / "report" / "growth-streams.png").exists()


async def test_more_streams_than_run_at_once_are_told_of(server: Backend, tmp_path: Path) -> None:
    file = tmp_path / "growth.json"
    words = ("--concurrency", f"1,{8 * MOST_SEQUENCES}", "--rounds", "1")
    ended = await growth(server.address, *SHORT, *words, "--out", str(file))
    assert ended.code == 1
    assert f"{8 * MOST_SEQUENCES} streams: 1 of 1 times they never all ran at once" in ended.err
    assert [point.at for point in read_as(file, Growth).streams] == [1]
