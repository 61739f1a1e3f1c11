"""What a client saw, call by call, and whether the servers' counters tell the same.

Every call ends for its client with a status. A call that the client itself gave up (cancel, deadline) may have ended on
the server a moment before, or never have left the client's machine: such calls are known up to that race only, and are
kept apart.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import grpc

from tests.faults.scrape import Calls, Page, scrape
from tests.faults.server import Server

SETTLE_SECONDS = 180.0
STRAGGLERS_SECONDS = 2.0  # longer than a gateway asks a backend for a call that was given up
POLL_SECONDS = 0.05
LIST_MODELS = "/tandem.gan.v1.GanService/ListModels"
# How a server may have counted a call that its client gave up.
GIVEN_UP = frozenset({"OK", "CANCELLED", "DEADLINE_EXCEEDED"})


# A call that is given up, turned away as one too many or tried again ends in its own way at each server.
MAY_DIFFER_BEHIND = frozenset({"CANCELLED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "UNAVAILABLE"})


class CountersDiffer(AssertionError):
    """The servers' counters are not the client's history."""


class History:
    """The client's side of all calls made at one server, the door, since `begin`.

    `behind` are servers that the door forwards to: they too must have let go of everything in the end. With
    `counts_behind` they run all the time, so that what they counted must be this history, too.
    """

    def __init__(self, door: Server, behind: Sequence[Server] = (), counts_behind: bool = False) -> None:
        self.is_checked = False
        self.ended: Calls = Counter()
        self.left: Counter[str] = Counter()
        self.unheard: Counter[str] = Counter()
        self._door = door
        self._behind = tuple(behind)
        self._counts_behind = counts_behind
        self._before: Calls = Counter()
        self._before_behind: Calls = Counter()

    async def begin(self) -> History:
        """Take the counters as they are for 0. Call it again after the door was restarted."""
        self._before = (await scrape(self._door.metrics_url)).calls()
        self._before_behind = total_calls([await scrape(server.metrics_url) for server in self._behind])
        self.ended, self.left, self.unheard = Counter(), Counter(), Counter()
        return self

    def note(self, path: str, code: str) -> None:
        """Count a call that ended with this status, said by the server; ListModels is left out."""
        if not is_listing(path):
            self.ended[path, code] += 1

    def note_left(self, path: str, was_heard: bool) -> None:
        """Count a call that the client gave up: cancelled, or its own deadline passed.

        `was_heard`: a message of the server's had come, so that the server must have counted it.
        """
        (self.left if was_heard else self.unheard)[path] += 1

    @property
    def num_calls(self) -> int:
        return self.ended.total() + self.left.total() + self.unheard.total()

    async def counters_equal(self, settle_seconds: float = SETTLE_SECONDS) -> None:
        """Return once the counters are the history and nothing is held. Raises CountersDiffer with the difference.

        Servers count a call a moment after its client has its status, so this asks again until the time is over.
        """
        self.is_checked = True
        loop = asyncio.get_running_loop()
        until = loop.time() + settle_seconds
        while problems := await self._problems():
            if loop.time() > until:
                raise CountersDiffer("; ".join(problems))
            await asyncio.sleep(POLL_SECONDS)
        # What was not heard of yet may be counted later, and would be in the way of the next history of these servers.
        if await self._num_missing():
            await (until_told(self._door) if self._behind else asyncio.sleep(0))
            until = loop.time() + STRAGGLERS_SECONDS
            while await self._num_missing() and loop.time() < until:
                await asyncio.sleep(POLL_SECONDS)

    async def _problems(self) -> list[str]:
        door = await scrape(self._door.metrics_url)
        behind = [await scrape(server.metrics_url) for server in self._behind]
        problems = self.differences(since(self._before, door.calls()))
        if self._counts_behind:
            problems += self.differences_behind(since(self._before_behind, total_calls(behind)))
        for server, page in zip((self._door, *self._behind), (door, *behind), strict=True):
            problems += [f"{server.name} still holds {what} {value:g}" for what, value in page.held().items()]
        return problems

    async def _num_missing(self) -> int:
        """Return how many calls that the client gave up the door has not counted; some never left the client."""
        counted = since(self._before, (await scrape(self._door.metrics_url)).calls())
        return self.num_calls - counted.total()

    def differences(self, counted: Calls) -> list[str]:
        """Return in words where the door's count cannot be this history; empty if it can."""
        exact, problems = self.ended, []
        for path, code in sorted(counted.keys() | exact.keys()):
            more = counted[path, code] - exact[path, code]
            may_be_more = code in GIVEN_UP and self._num_given_up(path) > 0
            if more < 0 or (more > 0 and not may_be_more):
                problems.append(f"{path} {code}: client {exact[path, code]}, server {counted[path, code]}")
        return problems or self._given_up_differences(counted, exact)

    def differences_behind(self, counted: Calls) -> list[str]:
        """Return in words where the count of the servers behind the door cannot be this history.

        All that succeeded did so there. What was refused may have been so by the door, and what was given up may have
        succeeded.
        """
        problems = []
        for path, code in sorted(counted.keys() | self.ended.keys()):
            found, most = counted[path, code], self.ended[path, code]
            least = most if code == "OK" else 0
            if code == "OK":
                most += self._num_given_up(path)
            if code not in MAY_DIFFER_BEHIND and not least <= found <= most:
                problems.append(f"{path} {code}: client {least} to {most}, the servers behind {found}")
        return problems

    def _num_given_up(self, path: str) -> int:
        return self.left[path] + self.unheard[path]

    def _given_up_differences(self, counted: Calls, exact: Calls) -> list[str]:
        problems = []
        for path in sorted(self.left.keys() | self.unheard.keys()):
            more = sum(counted[path, code] - exact[path, code] for code in GIVEN_UP)
            least, most = self.left[path], self._num_given_up(path)
            if not least <= more <= most:
                problems.append(f"{path}: of calls given up by the client, {least} to {most}, the server knows {more}")
        return problems


async def until_told(gateway: Server) -> None:
    """Return once the gateway has counted a call of our own, and so all that had ended before. Raises TimeoutError.

    Its proxy tells of calls in the order of their ends, in batches, and on a busy machine seconds late.
    """

    async def num_told() -> int:
        calls = (await scrape(gateway.metrics_url)).calls()
        return sum(count for (path, _), count in calls.items() if path == LIST_MODELS)

    before = await num_told()
    async with grpc.aio.insecure_channel(gateway.address) as channel:
        with suppress(grpc.aio.AioRpcError):  # however it ends
            await channel.unary_unary(LIST_MODELS)(b"")
    async with asyncio.timeout(SETTLE_SECONDS):
        while await num_told() == before:
            await asyncio.sleep(POLL_SECONDS)


def total_calls(pages: Sequence[Page]) -> Calls:
    """Return what several servers counted together."""
    return sum((page.calls() for page in pages), Counter())


def since(before: Calls, now: Calls) -> Calls:
    """Return what was counted meanwhile, without ListModels: the gateway itself asks for those."""
    return Counter({key: now[key] - before[key] for key in now if now[key] != before[key] and not is_listing(key[0])})


def is_listing(path: str) -> bool:
    return path.endswith("/ListModels")
