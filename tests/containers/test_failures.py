"""One of two replicas is killed, stopped or paused under load: what its callers see of it."""

import asyncio
import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.containers.askers import AskerContext, http_asker, image_asker, pictures_asker, stream_asker
from tests.containers.deployment import Container, Deployment
from tests.containers.load import Load, shown
from tests.containers.replicas import in_hand, two_of, until_serving
from tests.containers.waiting import until

RATE = 100.0
DRAIN_SECONDS = 60.0
DEADLINE_SECONDS = 60.0
RESCUED_SECONDS = 3.0  # longer than a request takes by itself
Figures = list[tuple[str, str]]


async def test_kill_of_one_of_two(two: list[Container], figures: Figures):
    load, (dead, alive), begun = Load(), two, set[int]()
    async with (
        image_asker() as image,
        stream_asker(1000, begun) as stream,
        asyncio.TaskGroup() as group,
        load.steady("unary", image, RATE),
    ):
        await load.more(100)
        for number in range(8):
            group.create_task(load.request("stream", stream, number))
        await until(lambda: len(begun) == 8)
        os.kill(dead.pid, signal.SIGKILL)
        killed_at = time.monotonic()
        await until_serving("gan", alive)
        noticed_seconds = time.monotonic() - killed_at
        await until_serving("gan", dead, alive)
        back_seconds = time.monotonic() - killed_at
        await load.more(200)
    torn = load.failed("stream")
    slowest = max(each.seconds for each in load.of("unary") if each.sent_at >= killed_at)
    assert all(outcome.code for outcome in load.outcomes)
    assert shown(load.failed("unary")) == {}
    assert {each.code for each in torn} == {"UNAVAILABLE"}, "some of 8 were at the replica that was killed"
    assert [each for each in torn if not each.was_in_flight(killed_at)] == []
    figures.append(
        (
            "kill -9 of one of two under 100 requests/s",
            f"0 of {len(load.of('unary'))} unary failed, the slowest after it took {slowest:.2f} s;"
            f" {len(torn)} of {len(load.of('stream'))} streams failed, those it had;"
            f" noticed after {noticed_seconds * 1000:.0f} ms, started again and serving after {back_seconds:.1f} s",
        )
    )


# A stream of images waits with 192 or more of them in a queue of 4,096: one replica must be able to hold all streams.
@pytest.mark.parametrize(
    ("service", "asker", "num_streams", "size"),
    [("gan", stream_asker, 16, 3000), ("ar", pictures_asker, 40, 12)],
    ids=["gan", "ar"],
)
async def test_stop_of_one_of_two_with_open_streams(
    pairs: Deployment,
    service: str,
    asker: Callable[[int], AskerContext],
    num_streams: int,
    size: int,
    figures: Figures,
):
    load = Load()
    leaving, _ = await two_of(service, pairs)
    async with image_asker() as image, asker(size) as stream, asyncio.TaskGroup() as group:
        for number in range(num_streams):
            group.create_task(load.request("stream", stream, number))
        # A share, not half: of two replicas either may get a few more than the other.
        await until(lambda: in_hand(service)[leaving.address] >= num_streams // 4)
        num_open = num_streams - sum(bool(outcome.code) for outcome in load.outcomes)
        async with load.steady("unary", image, 20):
            stopped_at = time.monotonic()
            await asyncio.to_thread(pairs.engine.docker, "stop", "--time=75", leaving.id)
            seconds = time.monotonic() - stopped_at
            await load.more(20)
    state = pairs.engine.inspect(leaving.id)["State"]
    await asyncio.to_thread(pairs.engine.docker, "start", leaving.id)
    assert shown(load.failed("stream")) == {}
    assert shown(load.failed("unary")) == {}
    assert num_open > num_streams // 2, "they ended too soon to be open at the replica that was stopped"
    assert state["ExitCode"] == 0
    assert seconds < DRAIN_SECONDS, "it waited for something that has no end"
    figures.append(
        (
            f"stop of one of two {service} with {num_open} open streams at both",
            f"0 of {len(load.of('stream'))} streams lost, 0 of {len(load.of('unary'))} unary requests failed;"
            f" gone after {seconds:.1f} s",
        )
    )


async def test_pause_of_one_of_two(two: list[Container], pairs: Deployment, figures: Figures):
    load, deadline_seconds = Load(), 1.0
    async with (
        image_asker(deadline_seconds) as image,
        http_asker(deadline_seconds) as http,
        load.steady("unary", image, RATE),
        load.steady("http", http, RATE / 5),
    ):
        await load.more(200)
        await asyncio.to_thread(pairs.engine.docker, "pause", two[0].id)
        await asyncio.sleep(10.0)  # what the test is about
        await asyncio.to_thread(pairs.engine.docker, "unpause", two[0].id)
        await load.more(200)
    await asyncio.to_thread(pairs.until_healthy, two[0])
    assert all(each.code for each in load.outcomes)
    overdue = max(each.seconds for each in load.outcomes) - deadline_seconds
    missed = [outcome for outcome in load.outcomes if outcome.code != "OK"]
    assert {each.code for each in missed} == {"DEADLINE_EXCEEDED"}, "some were at the replica that was paused"
    figures.append(
        (
            "pause of one of two for 10 s, deadlines of 1 s",
            f"{len(missed)} of {len(load.outcomes)} missed theirs; the latest ended {overdue * 1000:.0f} ms after it",
        )
    )
    assert overdue <= 0.1


async def test_what_a_paused_replica_had_is_saved(two: list[Container], pairs: Deployment, figures: Figures):
    """It never answers again, and nobody's deadline is near: only its silence on the connection tells."""
    load, (silent, other) = Load(), two
    async with image_asker(DEADLINE_SECONDS) as image:
        async with load.steady("unary", image, RATE):
            await load.more(100)
            await asyncio.to_thread(pairs.engine.docker, "pause", silent.id)
            paused_at = time.monotonic()
            await until_serving("gan", other)
            noticed_seconds = time.monotonic() - paused_at
        # All that were sent have ended, while it is still paused.
        held_seconds = max(each.ended_at for each in load.outcomes) - paused_at
        saved = [outcome for outcome in load.outcomes if outcome.seconds > RESCUED_SECONDS]
        await asyncio.to_thread(pairs.engine.docker, "unpause", silent.id)
        await until_serving("gan", silent, other)
    await asyncio.to_thread(pairs.until_healthy, silent)
    assert shown(load.failed("unary")) == {}
    assert saved, "none was at the replica that was paused"
    figures.append(
        (
            "pause of one of two, deadlines of a minute",
            f"0 of {len(load.outcomes)} failed; no further requests after {noticed_seconds:.1f} s, the {len(saved)}"
            f" that it had ended elsewhere, the last {held_seconds:.1f} s after the pause",
        )
    )
