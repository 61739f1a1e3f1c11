"""One of two replicas is killed, stopped or paused under load: what its callers see of it."""

import asyncio
import os
import signal
import time

import httpx
import pytest

from tests.containers.deployment import Container, Deployment
from tests.containers.load import IMAGE, RESET, Load, OverHttp, image_stream, pictures, shown, until
from tests.containers.replicas import in_hand, two_of, until_serving
from tests.faults.clients import SAMPLE, SAMPLE_STREAM
from tests.faults.loads import Kind

RATE = 100.0
DRAIN_SECONDS = 60.0
RESCUED_SECONDS = 3.0  # longer than a request takes by itself
Figures = list[tuple[str, str]]


async def test_kill_of_one_of_two(two: list[Container], figures: Figures):
    dead, alive = two
    async with Load() as load, load.steady(IMAGE, RATE):
        await load.more(100)
        await load.open(image_stream(1000), 8)
        os.kill(dead.pid, signal.SIGKILL)
        killed_at = time.monotonic()
        await until_serving("gan", alive)
        noticed_seconds = time.monotonic() - killed_at
        await until_serving("gan", dead, alive)
        back_seconds = time.monotonic() - killed_at
        await load.more(200)
    torn = load.failed(SAMPLE_STREAM)
    slowest = max(call.seconds for call in load.of(SAMPLE) if call.began_at >= killed_at)
    assert shown(load.failed(SAMPLE)) == {}
    assert torn, "some of 8 were at the replica that was killed"
    assert {call.code for call in torn} <= RESET
    assert all(call.began_at <= killed_at <= call.ended_at for call in torn)
    figures.append(
        (
            "kill -9 of one of two under 100 requests/s",
            f"0 of {len(load.of(SAMPLE))} unary failed, the slowest after it took {slowest:.2f} s;"
            f" {len(torn)} of {len(load.of(SAMPLE_STREAM))} streams failed, those it had;"
            f" noticed after {noticed_seconds * 1000:.0f} ms, started again and serving after {back_seconds:.1f} s",
        )
    )


# One replica must be able to hold all of them; a caller may have 3 in 4 of 4,096 waiting images or of 320 sequences.
@pytest.mark.parametrize(
    ("service", "stream", "num_streams"), [("gan", image_stream(3000), 16), ("ar", pictures(12), 20)], ids=["gan", "ar"]
)
async def test_stop_of_one_of_two_with_open_streams(
    pairs: Deployment, service: str, stream: Kind, num_streams: int, figures: Figures
):
    leaving, _ = await two_of(service, pairs)
    async with Load() as load:
        for number in range(num_streams):
            load.begin(stream, number)
        # A share, not half: of two replicas either may get a few more than the other.
        await until(lambda: in_hand(leaving) >= num_streams // 4)
        num_open = num_streams - len(load.ended)
        async with load.steady(IMAGE, 20):
            stopped_at = time.monotonic()
            await asyncio.to_thread(pairs.engine.docker, "stop", "--time=75", leaving.id)
            seconds = time.monotonic() - stopped_at
            await load.more(20)
    state = pairs.engine.inspect(leaving.id)["State"]
    await asyncio.to_thread(pairs.engine.docker, "start", leaving.id)
    assert shown(load.failed(stream.path)) == shown(load.failed(SAMPLE)) == {}
    assert num_open > num_streams // 2, "they ended too soon to be open at the replica that was stopped"
    assert state["ExitCode"] == 0
    assert seconds < DRAIN_SECONDS, "it waited for something that has no end"
    figures.append(
        (
            f"stop of one of two {service} with {num_open} open streams at both",
            f"0 of {num_streams} streams lost, 0 of {len(load.of(SAMPLE))} unary requests failed;"
            f" gone after {seconds:.1f} s",
        )
    )


async def test_pause_of_one_of_two(two: list[Container], pairs: Deployment, figures: Figures):
    deadline_seconds = 1.0
    async with (
        httpx.AsyncClient(limits=httpx.Limits(max_connections=None)) as http,
        Load() as load,
        load.steady(IMAGE, RATE, deadline_seconds),
        load.steady(OverHttp(http), RATE / 5, deadline_seconds),
    ):
        await load.more(200)
        await asyncio.to_thread(pairs.engine.docker, "pause", two[0].id)
        await asyncio.sleep(10.0)  # what the test is about
        await asyncio.to_thread(pairs.engine.docker, "unpause", two[0].id)
        await load.more(200)
    await asyncio.to_thread(pairs.until_healthy, two[0])
    overdue = max(call.seconds for call in load.ended) - deadline_seconds
    missed = [call for call in load.ended if not call.is_ok]
    assert {call.code for call in missed} == {"DEADLINE_EXCEEDED"}, "some were at the replica that was paused"
    figures.append(
        (
            "pause of one of two for 10 s, deadlines of 1 s",
            f"{len(missed)} of {len(load.ended)} missed theirs; the latest ended {overdue * 1000:.0f} ms after it",
        )
    )
    assert overdue <= 0.1


async def test_what_a_paused_replica_had_is_saved(two: list[Container], pairs: Deployment, figures: Figures):
    """It never answers again, and nobody's deadline is near: only its silence on the connection tells."""
    silent, other = two
    async with Load() as load, load.steady(IMAGE, RATE, timeout_seconds=60.0):
        await load.more(100)
        await asyncio.to_thread(pairs.engine.docker, "pause", silent.id)
        paused_at = time.monotonic()
        await until_serving("gan", other)
        noticed_seconds = time.monotonic() - paused_at
    # All that were sent have ended, while it is still paused.
    held_seconds = max(call.ended_at for call in load.ended) - paused_at
    saved = [call for call in load.ended if call.seconds > RESCUED_SECONDS]
    await asyncio.to_thread(pairs.engine.docker, "unpause", silent.id)
    await until_serving("gan", silent, other)
    await asyncio.to_thread(pairs.until_healthy, silent)
    assert shown(load.failed(SAMPLE)) == {}
    assert saved, "none was at the replica that was paused"
    figures.append(
        (
            "pause of one of two, deadlines of a minute",
            f"0 of {len(load.ended)} failed; no further requests after {noticed_seconds:.1f} s, the {len(saved)}"
            f" that it had ended elsewhere, the last {held_seconds:.1f} s after the pause",
        )
    )
