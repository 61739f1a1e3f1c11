"""One attempt of the search for the capacity, with the load generator, against a server that answers at once."""

import asyncio
import json
import signal
from pathlib import Path

from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.generator.generator import generator
from tandem.measure.studies.comparison.capacity import open_loop
from tandem.measure.studies.comparison.modes import matched_pair
from tandem.measure.studies.comparison.observer import Observer
from tests.integration.tandem.cli.commands import started, tandem
from tests.integration.tandem.fakes import fake_gateway

# Trials of 0.05 s by one caller have some fifty requests, an attempt of the search hundreds.
MORE_THAN_A_CURVE = 500


class Told(Observer):
    def __init__(self) -> None:
        self.rates: list[tuple[str, float]] = []

    def probing(self, mode: str, rate_per_second: float) -> None:
        self.rates.append((mode, rate_per_second))


async def test_an_attempt_meets_an_objective_or_does_not() -> None:
    observer = Told()
    async with fake_gateway() as gateway:
        pair = await matched_pair(gateway.address, "", "")
        *_, mode = pair.modes()
        async with generator(gateway.address) as source:
            for slo_seconds, meets in ((5.0, True), (1e-6, False)):
                attempt = open_loop(source, AuditedRuns(), mode, slo_seconds, observer)
                probe = await attempt(120.0)
                assert probe.meets is meets
                assert probe.num_failed == 0
                assert probe.p99_seconds is not None
        assert observer.rates == [("parallel unary", 120.0)] * 2
        assert gateway.parallel.requests[-1].count == 1


async def test_ctrl_c_in_a_search_keeps_what_was_measured(tmp_path: Path) -> None:
    file = tmp_path / "comparison.json"
    load = ("--pairs", "6", "--callers", "1", "--rounds", "1", "--trial", "0.05", "--quality-images", "0")
    async with asyncio.timeout(50), fake_gateway() as gateway:
        places = ("--json", str(file), "--address", gateway.address)
        async with started(
            *tandem("bench", "compare", *load, "--no-control", "--capacity", "search", *places)
        ) as process:
            while len(gateway.sequential.requests) < MORE_THAN_A_CURVE:
                await asyncio.sleep(0.01)
            process.send_signal(signal.SIGINT)
            out, err = await process.communicate()
    assert process.returncode == 130, err.decode()
    told = ["error: PARTIAL: this measurement did not go to its end", "error: broken off by hand"]
    # A machine that is too busy for the generator has a line more.
    assert [line for line in err.decode().splitlines() if not line.startswith("error: INVALID: ")] == told
    assert "PARTIAL" in out.decode()
    document = json.loads(file.read_text())
    # With runs that were repeated, it may have been broken off before the curve's end.
    if not document["audits"]["num_repeated"]:
        assert [mode["capacity"]["method"] for mode in document["modes"]] == ["curve"] * 4
