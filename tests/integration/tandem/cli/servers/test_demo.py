"""The tour of `tandem demo` against a fake gateway and a real metrics page."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.exposition import start_http_server

from tandem.cli.servers.demo import Tour
from tandem.cli.servers.plan import Plan, Ports
from tandem.cli.terminal import Terminal
from tests.integration.tandem.fakes import FakeGateway


def plan(gateway: FakeGateway, http_port: int) -> Plan:
    ports = Ports(port=gateway.server.port, http_port=http_port)
    return Plan(ports, Path("models"), ["text"], ["image"], 1)


class ShortTour(Tour):
    """With a race of one round."""

    def _stages(self) -> dict[str, list[str]]:
        stages = super()._stages()
        return {**stages, "race": [*stages["race"], "--rounds", "1"]}


NOWHERE = Plan(Ports(), Path("models"), [], [], 1)


async def test_the_tour_goes_through_every_stage(
    gateway: FakeGateway, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    registry = CollectorRegistry()
    Counter("tandem_outputs", "Outputs.", registry=registry).inc(5)
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    try:
        stages = ShortTour(tmp_path, Terminal())
        assert await stages.run(plan(gateway, server.server_port)) == 0
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    stages.ended(is_complete=True)
    assert (tmp_path / "sample.png").is_file()
    assert (tmp_path / "image.png").is_file()
    assert (tmp_path / "race.json").is_file()
    shown = capfd.readouterr().out
    for part in ("$ tandem generate", "Hello wörld!", "$ tandem race", "tandem_outputs_total 5.0", "in all: start"):
        assert part in shown


class Scripted(Tour):
    """Its commands end as they are told; the last one, which measures, writes a report or does not."""

    def __init__(self, folder: Path, *, writes_report: bool) -> None:
        super().__init__(folder, Terminal())
        self._writes_report = writes_report
        self.commands: list[Sequence[str]] = []

    async def _command(self, arguments: Sequence[str]) -> int:
        self.commands.append(arguments)
        if "tradeoff" not in arguments:
            return 0
        if self._writes_report:
            self._report.parent.mkdir()
            self._report.touch()
        return 1

    def _show_metrics(self, plan: Plan) -> None:
        pass


@pytest.mark.parametrize("writes_report", [True, False])
async def test_a_measurement_with_a_flaw_is_no_failure_but_one_without_a_report_is(
    tmp_path: Path, writes_report: bool
) -> None:
    stages = Scripted(tmp_path, writes_report=writes_report)
    assert await stages.measure(replace(NOWHERE, beside=NOWHERE)) == (0 if writes_report else 1)
    assert "--beside" in stages.commands[-1]


async def test_cancelling_the_tour_ends_its_command(gateway: FakeGateway, tmp_path: Path) -> None:
    gateway.sequential.hold.clear()
    stages = Tour(tmp_path, Terminal())
    running = asyncio.create_task(stages.run(plan(gateway, 1)))
    async with asyncio.timeout(60):
        await gateway.sequential.holding.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await gateway.sequential.cancelled.wait()
