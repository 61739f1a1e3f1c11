"""`tandem bench colocation` as a process: what runs beside what, and what it leaves."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tandem.cli.servers.ports import free_ports
from tandem.measure.report.colocation import explanation
from tandem.measure.results.colocation import Colocation
from tandem.measure.results.files import read_as
from tests.integration.tandem.cli.commands import (
    LIMIT_SECONDS,
    Ended,
    assert_all_went_well,
    run,
    run_each,
    started,
    tandem,
)
from tests.integration.tandem.fakes import FakeGateway, fake_gateway
from tests.unit.tandem.measure.report.conftest import results  # noqa: F401  a fixture


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with fake_gateway() as running:
        yield running


@pytest.fixture
def fit(results: Path, tmp_path: Path) -> Path:  # noqa: F811
    """A result of `tandem bench fit` for the fakes: with it, no closed loops come first."""
    fit = tmp_path / "crossover.json"
    content = (results / "crossover.json").read_text()
    fit.write_text(
        content.replace('"model":"ar"', '"model":"fake-image"').replace('"model":"gan"', '"model":"fake-gan"')
    )
    return fit


async def colocation(address: str, out: Path, *words: str) -> Ended:
    return await run(*tandem("bench", "colocation", *words, "--out", str(out), "--address", address))


async def test_each_sequential_model_is_measured_beside_the_parallel_one(gateway: FakeGateway, tmp_path: Path) -> None:
    ended = await colocation(gateway.address, tmp_path, "--rounds", "2", "--trial-seconds", "0.6")
    assert (tmp_path / "colocation.json").exists(), ended.err
    found = read_as(tmp_path / "colocation.json", Colocation)
    assert_all_went_well(ended, found.model_dump(mode="json"))
    models = [(each.sequential.load.workload.model, each.parallel.load.workload.model) for each in found.pairings]
    assert models == [("fake-image", "fake-gan"), ("fake-text", "fake-gan")]
    image, text = found.pairings
    assert (image.num_rounds, image.sequential.load.source, text.sequential.load.source) == (2, "closed loop", None)
    for side in (image.sequential, image.parallel, text.parallel):
        delivered = next(each for each in side.changes if each.metric == "images_per_second")
        assert delivered.together.value > 0.0
        assert delivered.ratio is not None
        # Both fakes share one event loop: half of what each reaches alone may be too much, and a full queue refuses.
        assert side.num_failed < side.num_requests
    assert len(next(each.together_of_rounds for each in text.sequential.changes)) == 2
    for sentence in explanation(found):
        assert sentence in ended.out.replace("\n", " ")
    # Two loads of the closed loop before, and of 2 rounds three loads alone and two times two at once.
    assert found.audits.num_runs == 2 + 2 * (3 + 2 * 2)
    assert {each.model for each in gateway.sequential.requests} == {"fake-image", "fake-text"}


async def test_the_capacities_of_a_fit_are_not_measured_again(gateway: FakeGateway, fit: Path, tmp_path: Path) -> None:
    ended = await colocation(gateway.address, tmp_path, "--rounds", "2", "--trial-seconds", "0.2", "--fit", str(fit))
    found = read_as(tmp_path / "colocation.json", Colocation)
    assert_all_went_well(ended, found.model_dump(mode="json"))
    assert "the most" not in ended.err
    assert {side.load.source for side in (found.pairings[0].sequential, found.pairings[0].parallel)} == {"open loops"}


def endless(fit: Path, out: Path) -> tuple[str, ...]:
    return ("--rounds", "1000", "--trial-seconds", "0.1", "--fit", str(fit), "--out", str(out))


async def test_ctrl_c_keeps_whole_rounds(gateway: FakeGateway, fit: Path, tmp_path: Path) -> None:
    command = tandem("bench", "colocation", *endless(fit, tmp_path), "--address", gateway.address)
    async with asyncio.timeout(LIMIT_SECONDS), started(*command) as process:
        assert process.stderr is not None
        while b"round 2:" not in await process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert process.returncode == 130, err.decode()
    assert "Traceback" not in err.decode()
    found = read_as(tmp_path / "colocation.json", Colocation)
    assert (found.is_partial, found.problems) == (True, ("broken off by hand",))
    assert [each.num_rounds for each in found.pairings] == [1, 1]


async def test_a_server_that_goes_away_is_told_and_whole_rounds_are_kept(fit: Path, tmp_path: Path) -> None:
    async with asyncio.timeout(LIMIT_SECONDS), fake_gateway() as gateway:
        command = tandem("bench", "colocation", *endless(fit, tmp_path), "--address", gateway.address)
        async with started(*command) as process:
            assert process.stderr is not None
            while b"round 2:" not in await process.stderr.readline():
                pass
            await gateway.server.stop(0)
            _, err = await process.communicate()
    assert process.returncode == 1
    assert "Traceback" not in err.decode()
    assert "PARTIAL" in err.decode()
    found = read_as(tmp_path / "colocation.json", Colocation)
    assert found.is_partial
    assert [each.num_rounds for each in found.pairings] == [1, 1]


async def test_bad_input_is_named(gateway: FakeGateway, tmp_path: Path) -> None:
    texts = {
        ("--text-model", "nobody"): "'nobody' is not served; sequential text models there: fake-text",
        ("--parallel-model", "nobody"): "'nobody' is not served; parallel image models there: fake-gan",
        ("--rounds", "1"): "num_rounds: 1 is not accepted",
        ("--trial-seconds", "0"): "trial_seconds: 0.0 is not accepted",
        ("--fit", "nowhere.json"): "nowhere.json",
    }
    places = ("--out", str(tmp_path), "--address", gateway.address)
    each = await run_each(*(("bench", "colocation", *words, *places) for words in texts))
    for (words, text), ended in zip(texts.items(), each, strict=True):
        assert ended.code == 1, words
        assert text in ended.err, words
        assert "Traceback" not in ended.err, words
    assert not gateway.sequential.requests


async def test_no_server_is_said(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    ended = await colocation(address, tmp_path)
    assert (ended.code, address in ended.err, "Traceback" in ended.err) == (1, True, False)
