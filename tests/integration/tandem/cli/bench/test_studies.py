"""The studies of `tandem bench` as processes against fakes: what they keep, whatever ends them; what they refuse."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tandem.cli.servers.ports import free_ports
from tandem.measure.report.prose import paragraphs
from tandem.measure.results.colocation import Colocation
from tandem.measure.results.files import read_as, read_result
from tests.integration.tandem.cli.commands import LIMIT_SECONDS, assert_all_went_well, run, run_each, started, tandem
from tests.integration.tandem.fakes import FakeGateway, fake_gateway
from tests.unit.tandem.measure.report.conftest import results  # noqa: F401  a fixture

# The command, its file, and words with which it goes on for ever.
ENDLESS: dict[str, tuple[str, tuple[str, ...]]] = {
    "compare": (
        "comparison.json",
        ("--callers", "3", "--trial", "0.2", "--quality-images", "0", "--no-control", "--rounds", "100000"),
    ),
    "fit": ("crossover.json", ("--climb-seconds", "60")),
    "growth": ("growth.json", ("--model", "fake-text", "--concurrency", "1,2", "--context", "2", "--rounds", "1000")),
    "colocation": ("colocation.json", ("--rounds", "1000", "--trial-seconds", "0.1", "--fit", "fit.json")),
}
# What is said, or how many requests there are at least, once there is something to keep.
ENOUGH: dict[str, int | bytes] = {"fit": 20, "growth": 100, "colocation": b"round 2:"}
# Of the paradigms: up to three in the warm-up, and up to four in a round of four trials.
ENOUGH_TURNS = 12


def has_kept(document: Any) -> bool:
    """Return whether a document has what was measured before the study ended."""
    match document.kind:
        case "comparison":
            return sum(mode.codes.get("OK", 0) for mode in document.modes) >= 10
        case "crossover":
            return document.runs == ("runs/most-sequential.json",)
        case "growth":  # the fake takes no context
            return bool(document.streams) and not document.contexts
        case _:
            return [pairing.num_rounds for pairing in document.pairings] == [1, 1]


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with fake_gateway() as running:
        yield running


@pytest.fixture
def folder(results: Path, tmp_path: Path) -> Path:  # noqa: F811
    """A folder with a result of `tandem bench fit` for the fakes: so no closed loops come before a co-location."""
    text = (results / "crossover.json").read_text()
    text = text.replace('"model":"ar"', '"model":"fake-image"').replace('"model":"gan"', '"model":"fake-gan"')
    (tmp_path / "fit.json").write_text(text)
    return tmp_path


def words(study: str, address: str, *others: str) -> tuple[str, ...]:
    file, endless = ENDLESS[study]
    out = {"compare": ("--json", file), "growth": ("--out", file)}.get(study, ("--out", "."))
    return ("bench", study, *endless, *out, *others, "--address", address)


@asynccontextmanager
async def under_way(study: str, gateway: FakeGateway, folder: Path) -> AsyncIterator[Any]:
    command = tandem(*words(study, gateway.address))
    async with asyncio.timeout(LIMIT_SECONDS), started(*command, folder=folder) as process:
        enough = ENOUGH.get(study)
        if enough is None:
            await paradigms_take_turns(gateway, process)
        elif isinstance(enough, bytes):
            assert process.stderr is not None
            while enough not in await process.stderr.readline():
                pass
        else:
            while len(gateway.sequential.requests) <= enough:
                assert process.returncode is None, await process.communicate()
                await asyncio.sleep(0.01)
        yield process


async def paradigms_take_turns(gateway: FakeGateway, process: asyncio.subprocess.Process) -> None:
    """Return when requests have gone to one paradigm, then to the other, `ENOUGH_TURNS` times."""
    side, num_turns, before = "", 0, {"sequential": 0, "parallel": 0}
    while num_turns < ENOUGH_TURNS:
        assert process.returncode is None, await process.communicate()
        await asyncio.sleep(0.01)
        now = {"sequential": len(gateway.sequential.requests), "parallel": len(gateway.parallel.requests)}
        grown = [name for name, count in now.items() if count > before[name]]
        if len(grown) == 1 and grown != [side]:
            side, num_turns = grown[0], num_turns + 1
        before = now


@pytest.mark.parametrize("study", ENDLESS)
async def test_ctrl_c_keeps_what_there_is(study: str, gateway: FakeGateway, folder: Path) -> None:
    async with under_way(study, gateway, folder) as process:
        gateway.sequential.hold.clear()  # so that a request is under way that never ends
        await gateway.sequential.holding.wait()
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert process.returncode == 130, err.decode()
    assert b"Traceback" not in err
    assert b"PARTIAL" in out + err
    document = read_result(folder / ENDLESS[study][0])
    assert document.is_partial
    assert document.problems[0] == "broken off by hand"
    assert has_kept(document)


@pytest.mark.parametrize("study", ENDLESS)
async def test_a_server_that_goes_away_is_told_and_the_rest_kept(study: str, folder: Path) -> None:
    async with fake_gateway() as gateway, under_way(study, gateway, folder) as process:
        await gateway.server.stop(0)
        out, err = await process.communicate()
    assert process.returncode == 1
    assert b"Traceback" not in err
    assert b"PARTIAL" in out + err
    document = read_result(folder / ENDLESS[study][0])
    assert document.is_partial
    assert "UNAVAILABLE" in "".join(document.problems) or gateway.address in "".join(document.problems)
    assert has_kept(document)


async def test_no_server_is_said(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    commands = [("bench", study, "--out", str(tmp_path / study), "--address", address) for study in ENDLESS]
    commands[0] = ("bench", "compare", "--quality-images", "0", "--address", address)
    commands.append(("bench", "tradeoff", "--out", str(tmp_path), "--address", address))
    for ended in await run_each(*commands):
        assert (ended.code, ended.out) == (1, "")
        assert ended.err.splitlines()[-1] == f"error: no Tandem gateway at {address}; start one with `tandem up`"


def refusals() -> list[tuple[tuple[str, ...], int, str]]:
    """Return the words of a command, its exit code, and what it says."""
    short = ("compare", "--quality-images", "0")
    return [
        (
            (*short, "--sequential-model", "nope"),
            1,
            "'nope' is not served; sequential models there: fake-text, fake-image",
        ),
        ((*short, "--parallel-model", "nope"), 1, "'nope' is not served; parallel models there: fake-gan"),
        ((*short, "--gateway-metrics", "127.0.0.1:1"), 1, "gateway metrics: no CPU time to be had at 127.0.0.1:1"),
        (("compare", "--quality-images", "30", "--judge", "no/judge"), 1, "judge"),
        ((*short, "--json", "/proc/nowhere/file.json"), 1, "/proc/nowhere"),
        ((*short, "--foreign-openai", f"http://127.0.0.1:{free_ports(1)[0]}"), 1, "no connection to http://127.0.0.1"),
        ((*short, "--foreign-model", "m"), 2, "--foreign-openai"),
        *(((*short, option, value), 2, option) for option, value in (("--callers", "0"), ("--rounds", "0"))),
        *(((*short, option, value), 2, option) for option, value in (("--trial", "0"), ("--slo", "0"))),
        (("compare", "--quality-images", "-1"), 2, "--quality-images"),
        (("fit", "--slo", "0"), 1, "slo_seconds: 0.0 is not accepted: input should be greater than 0"),
        (
            ("fit", "--concurrency", "1"),
            1,
            "concurrency: 1 is not accepted: input should be greater than or equal to 2",
        ),
        (("fit", "--sequential-model", "nobody"), 1, "'nobody' is not served; sequential models there"),
        (("fit", "--compare", "nowhere.json"), 1, "nowhere.json"),
        (("growth", "--model", "nobody"), 1, "'nobody' is not served; sequential text models there"),
        (("growth", "--model", "fake-image"), 1, "'fake-image' is not served; sequential text models there: fake-text"),
        (("growth", "--concurrency", "0"), 1, "concurrencies[0]: '0' is not accepted"),
        (("growth", "--rounds", "0"), 1, "num_rounds: 0 is not accepted"),
        (("growth", "--out", "/proc/nowhere/file.json"), 1, "/proc/nowhere"),
        (("colocation", "--text-model", "nobody"), 1, "'nobody' is not served; sequential text models there"),
        (("colocation", "--parallel-model", "nobody"), 1, "'nobody' is not served; parallel image models there"),
        (("colocation", "--rounds", "1"), 1, "num_rounds: 1 is not accepted"),
        (("colocation", "--trial-seconds", "0"), 1, "trial_seconds: 0.0 is not accepted"),
        (("colocation", "--fit", "nowhere.json"), 1, "nowhere.json"),
    ]


async def test_what_is_wrong_is_named_before_anything_is_measured(gateway: FakeGateway, tmp_path: Path) -> None:
    table = refusals()
    out = {"compare": (), "growth": ("--out", str(tmp_path / "growth.json"))}
    commands = [
        ("bench", given[0], *out.get(given[0], ("--out", str(tmp_path))), *given[1:], "--address", gateway.address)
        for given, _, _ in table
    ]
    for (given, code, text), ended in zip(table, await run_each(*commands), strict=True):
        assert ended.code == code, given
        assert text in " ".join(ended.err.replace("│", " ").split()), given
        assert "Traceback" not in ended.err, given
    assert not gateway.sequential.requests


async def test_each_sequential_model_is_measured_beside_the_parallel_one_at_the_capacities_of_a_fit(
    gateway: FakeGateway, folder: Path
) -> None:
    words = ("--rounds", "2", "--trial-seconds", "0.2", "--fit", "fit.json", "--out", ".", "--address", gateway.address)
    ended = await run(*tandem("bench", "colocation", *words), folder=folder)
    found = read_as(folder / "colocation.json", Colocation)
    assert_all_went_well(ended, found.model_dump(mode="json"))
    assert "the most" not in ended.err
    models = [(pair.sequential.load.workload.model, pair.parallel.load.workload.model) for pair in found.pairings]
    assert models == [("fake-image", "fake-gan"), ("fake-text", "fake-gan")]
    image, text = found.pairings
    assert {side.load.source for side in (image.sequential, image.parallel)} == {"open loops"}
    assert (image.num_rounds, text.sequential.load.source) == (2, None)
    for side in (image.sequential, image.parallel, text.parallel):
        # Both fakes share one event loop: half of what each reaches alone may be too much, and a full queue refuses.
        assert side.num_failed < side.num_requests
    assert next(len(figure.of_rounds) for figure in text.sequential.together.values()) == 2
    for sentence in paragraphs("colocation.explanation", found):
        assert sentence in ended.out.replace("\n", " ")
    # Of 2 rounds three loads alone and two times two at once.
    assert found.audits.num_runs == 2 * (3 + 2 * 2)
