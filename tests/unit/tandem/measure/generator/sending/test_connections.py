from __future__ import annotations

import pytest

from tandem.measure.generator.plan import Plan
from tandem.measure.generator.sending import connections
from tandem.measure.generator.sending.connections import MOST_IDLE_SECONDS, Connections
from tandem.measure.scenario import ClosedLoop, Scenario
from tandem.measure.workload_text import parse_workload


class Sender:
    """Notes what is done to it."""

    def __init__(self, *arguments: object) -> None:
        self.done: list[str] = []

    async def connect(self, seconds: float) -> None:
        self.done.append("connect")

    async def close(self) -> None:
        self.done.append("close")

    def reset(self) -> None:
        self.done.append("reset")


def plan(num_connections: int = 4) -> Plan:
    scenario = Scenario(
        workloads=(parse_workload("images"),),
        load=ClosedLoop(concurrency=1),
        num_requests=1,
        connections_per_process=num_connections,
    )
    return Plan(address="127.0.0.1:1", scenario=scenario, models=())


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "new_sender", Sender)


async def test_runs_that_follow_each_other_share_connections() -> None:
    now = 100.0
    made = Connections(lambda: now)
    first = await made.sender(plan())
    now += 60.0
    made.note_use()
    now += MOST_IDLE_SECONDS
    assert await made.sender(plan()) is first
    assert first.done == ["connect", "reset"]  # type: ignore[attr-defined]


async def test_connections_that_nobody_read_for_long_are_opened_anew() -> None:
    now = 100.0
    made = Connections(lambda: now)
    first = await made.sender(plan())
    made.note_use()
    now += MOST_IDLE_SECONDS + 0.1
    second = await made.sender(plan())
    assert first.done == ["connect", "close"]  # type: ignore[attr-defined]
    assert second.done == ["connect"]  # type: ignore[attr-defined]


async def test_another_number_of_connections_is_opened_anew() -> None:
    made = Connections(lambda: 100.0)
    first = await made.sender(plan())
    made.note_use()
    assert await made.sender(plan(num_connections=5)) is not first
