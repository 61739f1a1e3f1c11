"""A process that is kept alive: what happens in which order, and when it is given up. Time is the test's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem.cli.servers.keeper import ChildDied, Keeper
from tandem.cli.servers.restarts import Attempt, RestartPolicy, Restarts


class ScriptedProcess:
    """Each start has an end: an exit code and whether it is ready before. After the last one it lives on."""

    name, log_path, tail = "backend", Path("backend.log"), ("last words",)

    def __init__(self, world: World, *ends: tuple[int, bool]) -> None:
        self._world = world
        self._ends = list(ends)
        self._code: int | None = None
        self._is_ready = True

    async def start(self) -> None:
        self._world.events.append("start")
        self._code, self._is_ready = self._ends.pop(0) if self._ends else (None, True)

    async def wait_ready(self) -> None:
        if not self._is_ready:
            await asyncio.Event().wait()

    async def wait_dead(self) -> int:
        if self._code is None or (self._is_ready and self._world.events[-1] == "start"):
            await asyncio.Event().wait()
        assert self._code is not None
        return self._code


class World:
    """Notes what the keeper does; its clock is moved by the keeper's sleep."""

    def __init__(self, *ends: tuple[int, bool]) -> None:
        self.events: list[str] = []
        self.now = 0.0
        self.process = ScriptedProcess(self, *ends)
        restarts = Restarts(RestartPolicy(max_attempts=3), lambda: self.now)
        self.keeper = Keeper(self.process, restarts, self, self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.events.append(f"sleep {seconds:g}")
        self.now += seconds

    def starting_again(self, name: str, code: int, attempt: Attempt, log_path: Path) -> None:
        self.events.append(f"{name} died of {code}, attempt {attempt.number}, {log_path}")

    def ready_again(self, name: str) -> None:
        self.events.append(f"{name} ready")

    async def ended(self) -> ChildDied:
        await self.process.start()
        self.events.clear()
        with pytest.raises(ChildDied) as caught:
            async with asyncio.timeout(60):
                await self.keeper.keep()
        return caught.value


def attempts(*codes: int) -> Iterator[str]:
    for number, (code, delay) in enumerate(zip(codes, ("0", "1", "2"), strict=False), 1):
        yield from (f"backend died of {code}, attempt {number}, backend.log", f"sleep {delay}", "start")


async def test_it_starts_again_until_its_attempts_are_used_up() -> None:
    world = World((-9, False), (1, False), (1, False), (7, False))
    world.keeper.all_ready()
    death = await world.ended()
    assert world.events == list(attempts(-9, 1, 1))
    assert str(death) == "the backend process ended by itself (exit code 7); its whole log is in backend.log"
    assert list(death.process.tail) == ["last words"]


async def test_readiness_is_told_and_a_later_death_noticed() -> None:
    world = World((-9, False), (-11, True), (1, False), (1, False))
    world.keeper.all_ready()
    await world.ended()
    first, second, third = (list(attempts(-9, -11, 1))[n : n + 3] for n in (0, 3, 6))
    assert world.events == [*first, "backend ready", *second, *third]


async def test_before_all_are_ready_it_is_not_started_again() -> None:
    world = World((2, False))
    death = await world.ended()
    assert world.events == []
    assert "(exit code 2)" in str(death)
