"""The gateway's two processes in their container: what keeps them apart from others, and how they end together."""

import asyncio
import os
import signal
import stat
import time
from pathlib import Path

import httpx
import pytest

from gateway.proxy.sockets import Sockets
from tests.containers.deployment import GATEWAY, WEB, Container, Deployment
from tests.containers.load import IMAGE, PATIENCE_SECONDS, Load, image_stream, shown
from tests.faults.clients import Client

NUM_STREAMS = 8
IMAGES = 600
Figures = list[tuple[str, str]]


@pytest.fixture
def gateway(deployment: Deployment) -> Container:
    deployment.up("gateway")
    [container] = deployment.containers("gateway")
    return container


def envoy_of(container: Container) -> int:
    """Return the process id of Envoy as this machine counts; it is the only child of the gateway's process."""
    [child] = container.process(f"task/{container.pid}/children").split()
    assert Path(f"/proc/{child}/comm").read_text().strip() == "envoy"
    return int(child)


def test_envoy_has_no_rights_and_its_sockets_are_the_gateway_s_alone(gateway: Container):
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{envoy_of(gateway)}/status").read_text().splitlines() if ":" in line
    )
    assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {0}
    assert set(status["Uid"].split()) == {"10001"}
    [folder] = Path(f"/proc/{gateway.pid}/root/tmp").glob("tandem-gateway-*")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert set(folder.glob("*.sock")) == {path for path in vars(Sockets(folder)).values() if path.suffix == ".sock"}


async def test_a_stop_lets_open_streams_finish(gateway: Container, deployment: Deployment, figures: Figures):
    async with Load() as load:
        await load.open(image_stream(IMAGES), NUM_STREAMS)
        num_open = NUM_STREAMS - len(load.ended)
        stopped_at = time.monotonic()
        await asyncio.to_thread(deployment.engine.docker, "stop", "--time=75", gateway.id)
        seconds = time.monotonic() - stopped_at
    state = deployment.engine.inspect(gateway.id)["State"]
    await asyncio.to_thread(deployment.engine.docker, "start", gateway.id)
    await asyncio.to_thread(deployment.until_healthy, gateway)
    assert shown(call for call in load.ended if not call.is_ok) == {}
    assert {call.num_messages for call in load.ended} == {IMAGES // 8}
    assert num_open == NUM_STREAMS, "they ended too soon to be open when it was stopped"
    assert state["ExitCode"] == 0, deployment.compose("logs", "--tail=60", "gateway")
    figures.append((f"stop of the gateway with {NUM_STREAMS} open streams", f"0 lost; gone after {seconds:.1f} s"))


async def test_when_envoy_dies_the_gateway_starts_again(gateway: Container, deployment: Deployment, figures: Figures):
    async with Client(GATEWAY) as client:
        assert (await IMAGE.call(client, 1)).is_ok
        restarts = deployment.engine.inspect(gateway.id)["RestartCount"]
        os.kill(envoy_of(gateway), signal.SIGKILL)
        begun = time.monotonic()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while deployment.engine.inspect(gateway.id)["RestartCount"] == restarts or not await is_ready():
                await asyncio.sleep(0.05)
        seconds = time.monotonic() - begun
        assert (await IMAGE.call(client, 2)).is_ok
    figures.append(("kill -9 of Envoy: until the gateway is ready again", f"{seconds:.1f} s"))


async def is_ready() -> bool:
    try:
        async with httpx.AsyncClient(base_url=WEB) as web:
            return (await web.get("/readyz")).is_success
    except httpx.TransportError:
        return False
