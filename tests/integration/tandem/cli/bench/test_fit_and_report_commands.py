"""`tandem bench fit`, `report` and `tradeoff` as processes: what they leave, and what they say is wrong."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tandem.cli.servers.ports import free_ports
from tests.integration.tandem.cli.commands import run, run_each, started, tandem
from tests.integration.tandem.fakes import FakeGateway, fake_gateway
from tests.unit.tandem.measure.report.conftest import results  # noqa: F401  a fixture

QUICK = (
    "--concurrency",
    "4",
    "--climb-seconds",
    "0.5",
    "--rounds",
    "1",
    "--trial-seconds",
    "0.5",
    "--trials",
    "1",
)


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with fake_gateway() as running:
        yield running


async def test_a_report_of_good_results(results: Path, tmp_path: Path) -> None:  # noqa: F811
    out = tmp_path / "new" / "report.html"
    ended = await run(*tandem("bench", "report", str(results), "--out", str(out)))
    assert (ended.code, ended.out.splitlines()[-1]) == (0, str(out)), ended.err
    assert "What it costs: 39 times the wait (63 ms for an image against 1.6 ms in parallel)" in ended.out
    assert 4 * 2**20 < out.stat().st_size < 6 * 2**20
    assert len(list((tmp_path / "new" / "report").glob("*.png"))) == 9


async def test_a_foreign_file_is_named_and_the_report_is_of_the_rest(results: Path, tmp_path: Path) -> None:  # noqa: F811
    own = Path(shutil.copytree(results, tmp_path / "own"))
    (own / "foreign.json").write_text("{}")
    ended = await run(*tandem("bench", "report", str(own), "--out", str(tmp_path / "report.html")))
    assert ended.code == 1
    assert "foreign.json: not a result of `tandem bench`" in ended.err
    assert (tmp_path / "report.html").exists()


async def test_a_folder_of_pngs_that_would_be_a_file_is_refused_before_writing(
    results: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    (tmp_path / "taken").write_text("mine")
    words = (("--out", str(tmp_path / "report")), ("--out", str(tmp_path / "taken.html")))
    for ended in await run_each(*(("bench", "report", str(results), *each) for each in words)):
        assert ended.code == 2, ended.err
        assert "give --png, or --out NAME.html" in " ".join(ended.err.replace("│", " ").split())
    assert not (tmp_path / "report").exists()
    assert not (tmp_path / "taken.html").exists()
    ended = await run(*tandem("bench", "report", str(results), *words[0], "--png", str(tmp_path / "pngs")))
    assert ended.code == 0, ended.err


async def test_nothing_to_report_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty.json").write_text("")
    (tmp_path / "foreign.json").write_text("{}")
    texts = {"missing.json": "no such file"} | {
        name: f"nothing to report: {name}: " for name in ("empty.json", "foreign.json")
    }
    out = ("--out", str(tmp_path / "report.html"))
    each = await run_each(*(("bench", "report", str(tmp_path / name), *out) for name in texts))
    for text, ended in zip(texts.values(), each, strict=True):
        assert ended.code == 1
        assert text in ended.err
        assert "Traceback" not in ended.err
    assert not (tmp_path / "report.html").exists()


async def test_no_server_is_said(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    places = ("--out", str(tmp_path), "--address", address)
    for ended in await run_each(("bench", "fit", *QUICK, *places), ("bench", "tradeoff", *places)):
        assert ended.code == 1
        assert address in ended.err
        assert "Traceback" not in ended.err


async def test_bad_input_names_field_value_and_what_is_accepted(gateway: FakeGateway, tmp_path: Path) -> None:
    texts = {
        ("--slo", "0"): "slo_seconds: 0.0 is not accepted: input should be greater than 0",
        ("--concurrency", "1"): "concurrency: 1 is not accepted: input should be greater than or equal to 2",
        ("--sequential-model", "nobody"): "'nobody' is not served; sequential image models there: fake-image",
        ("--compare", "nowhere.json"): "nowhere.json",
    }
    places = ("--out", str(tmp_path), "--address", gateway.address)
    each = await run_each(*(("bench", "fit", *QUICK, *words, *places) for words in texts))
    for (words, text), ended in zip(texts.items(), each, strict=True):
        assert ended.code == 1, words
        assert text in ended.err, words
        assert "Traceback" not in ended.err, words


async def test_servers_that_tell_no_batches_are_no_crash(gateway: FakeGateway, tmp_path: Path) -> None:
    """The fakes tell timings, but no batch size: there is nothing to fit over."""
    ended = await run(*tandem("bench", "fit", *QUICK, "--out", str(tmp_path), "--address", gateway.address))
    assert ended.code == 1
    assert "a curve needs more of a range" in ended.err
    assert "Traceback" not in ended.err
    assert len(list((tmp_path / "runs").glob("fit-*.json"))) == 2


async def test_ctrl_c_keeps_what_there_is(gateway: FakeGateway, tmp_path: Path) -> None:
    command = tandem("bench", "fit", "--climb-seconds", "60", "--out", str(tmp_path), "--address", gateway.address)
    async with asyncio.timeout(60), started(*command) as process:
        while len(gateway.sequential.requests) < 20:  # it is under way
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert process.returncode == 130, err.decode()
    assert "Traceback" not in err.decode()
    document = json.loads((tmp_path / "crossover.json").read_text())
    assert document["is_partial"]
    assert document["problems"][0].startswith("broken off by hand")
    assert document["runs"] == ["runs/most-sequential.json"]
