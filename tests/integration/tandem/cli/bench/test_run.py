"""`tandem bench` as a process: what it says, what it keeps, and how it ends, when all is well and when it is not."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import psutil
import pytest

from tandem.cli.servers.ports import free_ports
from tandem.measure.results.files import read_as
from tandem.measure.results.load import Document
from tests.integration.tandem.cli.commands import Ended, run, run_each, started, tandem
from tests.integration.tandem.measure.generator.servers import answered

FAST = ("--warm-up", "0", "--seed", "1")


def bench(address: str, *words: str, command: str = "run") -> tuple[str, ...]:
    return tandem("bench", command, *words, "--address", address)


def without_verdict(ended: Ended) -> int:
    """Return the exit code that the run itself earned: this machine may be too busy for a valid one."""
    return 0 if ended.code == 1 and "INVALID" in ended.err and ended.err.count("error:") > 1 else ended.code


def documents_in(folder: Path) -> dict[str, Document]:
    return {path.stem: read_as(path, Document) for path in folder.iterdir()}


async def test_run_prints_a_table_and_keeps_a_document_and_its_requests(backend: str, tmp_path: Path) -> None:
    files = ("--json", str(tmp_path / "run.json"), "--jsonl", str(tmp_path / "requests.jsonl"))
    words = ("-w", "images", "-w", "text,tokens=4,slo=5", "--rate", "100", "--requests", "60", *FAST, *files)
    ended = await run(*bench(backend, *words))
    assert without_verdict(ended) == 0
    for part in ("images fake-gan unary", "text fake-text streamed", "latency p50", "within the objective", "outside"):
        assert part in ended.out
    assert "of CPU a request" in ended.err
    document = read_as(tmp_path / "run.json", Document)
    assert sum(stream.outcomes.ok for stream in document.streams) == 60
    lines = [json.loads(line) for line in (tmp_path / "requests.jsonl").read_text().splitlines()]
    assert len(lines) == 60
    assert all(len(line["messages"]) == 4 for line in lines if line["stream"].startswith("text"))
    assert "\x1b" not in ended.out + ended.err


async def test_a_control_says_how_far_equal_runs_differ(backend: str, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    ended = await run(*bench(backend, "--rate", "100", "--duration", "2", *FAST, "--control", "--json", str(path)))
    assert without_verdict(ended) == 0
    assert "two runs like this differ by chance by up to (95 % confidence): images fake-gan unary, latency" in ended.err
    control = read_as(path, Document).control
    assert control is not None
    assert (control.num_pairs, control.slice_seconds) == (5, 0.4)
    of_rate = next(each for each in control.differences if each.figure == "requests/s")
    assert of_rate.ratio == pytest.approx(1.0, rel=0.05)  # A and B have the same arrivals


async def test_ctrl_c_in_the_control_keeps_the_run(backend: str, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    words = ("--rate", "50", "--duration", "2", *FAST, "--control", "--json", str(path))
    async with asyncio.timeout(60), started(*bench(backend, *words)) as process:
        assert process.stderr is not None
        while b"control:" not in (line := await process.stderr.readline()):
            assert line, "it ended without a control"
        process.send_signal(signal.SIGINT)
        await process.communicate()
    assert process.returncode == 130
    found = read_as(path, Document)
    assert found.control is None
    assert sum(stream.outcomes.ok for stream in found.streams) > 50


async def test_sweep_keeps_a_document_a_load_and_runs_back_again(backend: str, tmp_path: Path) -> None:
    words = ("--concurrencies", "1,3", "--rounds", "2", "--requests", "30", *FAST, "--out", str(tmp_path))
    ended = await run(*bench(backend, *words, command="sweep"))
    assert without_verdict(ended) == 0
    documents = documents_in(tmp_path)
    order = sorted(documents, key=lambda name: documents[name].started_at)
    assert order == ["concurrency-1-round-1", "concurrency-3-round-1", "concurrency-3-round-2", "concurrency-1-round-2"]
    assert [documents[name].scenario.seed for name in order] == [1, 1, 2, 2]
    assert ended.out.count("30 of 30") == 4


async def test_a_rate_that_no_client_can_send(backend: str, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    words = ("--rate", "200000", "--duration", "1", "--warm-up", "0", "--drain", "5", "--json", str(path))
    ended = await run(*bench(backend, *words))
    assert ended.code == 1
    assert "INVALID" in ended.err
    assert "could not be sent" in ended.err
    document = read_as(path, Document)
    (stream,) = document.streams
    assert stream.outcomes.planned == pytest.approx(200_000, rel=0.02)
    assert stream.outcomes.dropped > 0
    assert stream.outcomes.planned == stream.outcomes.dropped + stream.outcomes.ok + stream.outcomes.error
    assert not document.audit.valid


@pytest.mark.parametrize("load", [("--rate", "50"), ("--concurrency", "3")])
async def test_a_server_that_dies_in_mid_run(known_times, tmp_path: Path, load: tuple[str, str]) -> None:
    server = known_times(first="0.01")
    path = tmp_path / "run.json"
    words = bench(server.address, *load, "--duration", "600", *FAST, "--json", str(path))
    async with asyncio.timeout(60), started(*words) as process:
        await answered(server)
        server.record()  # stops it
        _, raw = await process.communicate()
    text = raw.decode()
    assert process.returncode == 1
    assert "PARTIAL" in text
    assert "the server is gone" in text
    document = read_as(path, Document)
    assert document.is_partial
    assert document.streams[0].outcomes.ok > 10
    assert document.streams[0].codes["UNAVAILABLE"] >= 3


async def test_a_full_disk_loses_nothing(backend: str) -> None:
    words = ("--rate", "50", "--requests", "20", *FAST, "--json", "/dev/full", "--jsonl", "/dev/full")
    ended = await run(*bench(backend, *words))
    assert ended.code == 1
    assert "cannot write /dev/full: No space left on device" in ended.err
    document = Document.model_validate_json(ended.out[ended.out.index("{") :])
    assert document.streams[0].outcomes.ok == 20


async def test_ctrl_c_keeps_what_it_has(known_times, tmp_path: Path) -> None:
    server = known_times(first="0.01")
    path = tmp_path / "run.json"
    words = bench(server.address, "--rate", "50", "--duration", "600", *FAST, "--processes", "2", "--json", str(path))
    async with asyncio.timeout(60), started(*words) as process:
        await answered(server)
        process.send_signal(signal.SIGINT)
        _, raw = await process.communicate()
    assert process.returncode == 130
    assert "PARTIAL" in raw.decode()
    assert "Traceback" not in raw.decode()
    document = read_as(path, Document)
    assert document.is_partial
    assert document.problems[0] == "broken off by hand"
    outcomes = document.streams[0].outcomes
    assert outcomes.ok > 10
    assert outcomes.planned == outcomes.ok + outcomes.unfinished + outcomes.abandoned + outcomes.dropped


async def test_the_generators_processes_end_with_their_parent(backend: str, tmp_path: Path) -> None:
    words = bench(backend, "--duration", "600", *FAST, "--json", str(tmp_path / "run.json"))
    async with asyncio.timeout(60), started(*words) as process:
        while not (children := psutil.Process(process.pid).children()):
            await asyncio.sleep(0.05)
        process.kill()
        while any(child.is_running() for child in children):
            await asyncio.sleep(0.05)


async def test_what_is_wrong_is_named_before_anything_is_sent(backend: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    texts = {
        ("-w", "images,weight=-1"): "weight: '-1'",
        ("-w", "sound"): "'sound' is no kind of workload",
        ("-w", "images,model=nope", "--address", backend): "'nope' is not served; parallel image models",
        ("--rate", "-3"): "rate_per_second: -3.0 is not accepted",
        ("--rate", "5", "--concurrency", "5"): "give one of --rate",
        ("--concurrency", "2", "--arrivals", "constant"): "--arrivals and --max-outstanding belong to open loops",
        ("--concurrency", "2", "--max-outstanding", "1"): "--arrivals and --max-outstanding belong to open loops",
        ("--rate", "5", "--max-outstanding", "0"): "max_outstanding_per_process: 0 is not accepted",
        ("--concurrency", "2", "--processes", "3"): "num_processes: 3 is not accepted",
        ("--concurrency", "2", "--ramp-to", "2.5"): "end_concurrency: 2.5 is not accepted",
        ("--address", f"127.0.0.1:{free_ports(1)[0]}"): "no Tandem gateway at 127.0.0.1",
        ("--json", str(tmp_path / "file" / "run.json")): "file",
    }
    sweeps = {
        ("--rates", "20,30,20"): "two loads have the name rate-20,",
        ("--rates", "20,20.0000001"): "two loads have the name rate-20,",
        ("--concurrencies", "3,3"): "two loads have the name concurrency-3,",
    }
    commands = [("bench", "run", *words) for words in texts]
    commands += [("bench", "sweep", *words, "--out", str(tmp_path / "new")) for words in sweeps]
    for (words, text), ended in zip((texts | sweeps).items(), await run_each(*commands), strict=True):
        assert ended.code in (1, 2), words
        assert text in " ".join(ended.err.replace("│", " ").split()), words
    assert not (tmp_path / "new").exists()
