"""The whole product as a person runs it, `tandem up`, and fleets of replicas that a row may kill and freeze."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from tandem.cli.servers.child import ChildSpec
from tandem.cli.servers.plan import Plan, Ports
from tandem.cli.servers.ports import HOST, free_ports
from tests.faults.history import History
from tests.faults.scrape import scrape
from tests.faults.server import ASK_AGAIN_SECONDS, READY_SECONDS, ROOT, OwnServer, Server, environment
from tests.tiny_models import add_to_repository

MODELS = ROOT / "models"
SEQUENTIAL_MODEL, PARALLEL_MODEL = "fashion-ar", "fashion-gan"
TEXT_MODEL = "tiny"
MODULES = {"sequential": ("services.ar", SEQUENTIAL_MODEL), "parallel": ("services.gan", PARALLEL_MODEL)}
DRAIN_SECONDS = 20.0


@dataclass(frozen=True)
class Product:
    """The gateway and the two backends behind it, each a process."""

    gateway: Server
    sequential: Server
    parallel: Server
    log_folder: Path

    @property
    def servers(self) -> tuple[Server, Server, Server]:
        return self.gateway, self.sequential, self.parallel

    @property
    def address(self) -> str:
        """The gateway's gRPC address."""
        return self.gateway.address

    @property
    def web_address(self) -> str:
        """The gateway's HTTP address."""
        return self.gateway.web_address

    async def ready(self) -> None:
        """Return once the gateway says that both backends serve. Raises TimeoutError."""
        await self.gateway.ready()
        for service in ("tandem.ar.v1.AutoregressiveService", "tandem.gan.v1.GanService"):
            await self.gateway.ready(service)

    async def history(self) -> History:
        """Return an empty history of calls at the gateway."""
        return await History(self.gateway, (self.sequential, self.parallel), counts_behind=True).begin()

    async def history_at(self, server: Server) -> History:
        """Return an empty history of calls made at one of the servers, past the gateway if it is a backend.

        A backend counts what the gateway forwards as well: use one history for one row.
        """
        return await (self.history() if server is self.gateway else History(server).begin())


def _free_plan() -> Plan:
    ports = Ports(*free_ports(len(fields(Ports))))
    return Plan(ports, MODELS, [SEQUENTIAL_MODEL], [PARALLEL_MODEL], DRAIN_SECONDS)


def _up(plan: Plan) -> tuple[str, ...]:
    flags = [f"--{field.name.replace('_', '-')}" for field in fields(Ports)]
    ports = [word for flag, port in zip(flags, astuple(plan.ports), strict=True) for word in (flag, str(port))]
    models = ("--models-dir", str(MODELS), "--sequential-model", SEQUENTIAL_MODEL, "--parallel-model", PARALLEL_MODEL)
    return (sys.executable, "-m", "tandem.cli", "up", *ports, *models, "--drain-seconds", f"{plan.drain_seconds:g}")


@contextmanager
def tandem_up(folder: Path) -> Iterator[Product]:
    """Run `tandem up` on free ports with the matched pair, its logs in `folder`; it may not be ready yet."""
    plan = _free_plan()
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen(_up(plan), stdout=log, stderr=log, cwd=folder, env=environment())
    try:
        yield _product(plan, process.pid, folder / "out" / "logs")
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=READY_SECONDS)
        process.kill()
        process.wait()


def _product(plan: Plan, parent: int, log_folder: Path) -> Product:
    (sequential, parallel), (gateway,) = plan.layers()

    def server(spec: ChildSpec, metrics_port: int) -> Server:
        words = (spec.command[2], spec.address.rpartition(":")[2])
        return Server(spec.name, spec.address, f"http://{HOST}:{metrics_port}/metrics", words, parent)

    ports = plan.ports
    return Product(
        server(gateway, ports.http_port),
        server(sequential, ports.ar_metrics_port),
        server(parallel, ports.gan_metrics_port),
        log_folder,
    )


@dataclass(frozen=True)
class Fleet:
    """A gateway in front of several replicas, all started by the tests; the lists are in the order of the targets."""

    gateway: OwnServer
    sequential: list[OwnServer]
    parallel: list[OwnServer]

    @property
    def all(self) -> list[OwnServer]:
        return [*self.sequential, *self.parallel, self.gateway]

    @property
    def address(self) -> str:
        return self.gateway.server.address

    def of(self, paradigm: str) -> list[OwnServer]:
        return self.sequential if paradigm == "sequential" else self.parallel

    async def mend(self) -> None:
        """Start what does not run, thaw what is frozen, and return once every process serves. Raises TimeoutError."""
        for own in self.all:
            own.mend()
        for own in self.all:
            await own.server.ready()
        await self.wait_known(1)

    async def wait_known(self, value: int, of: Sequence[OwnServer] | None = None) -> None:
        """Return once the gateway holds these replicas, by default all, for serving (1) or not (0)."""
        targets = [own.server.address for own in of or (*self.sequential, *self.parallel)]
        async with asyncio.timeout(READY_SECONDS):
            while True:
                page = await scrape(self.gateway.server.metrics_url)
                if all(page.total("tandem_replica_serving", target=target) == value for target in targets):
                    return
                await asyncio.sleep(ASK_AGAIN_SECONDS)

    async def history(self) -> History:
        """Return an empty history of calls at the gateway; what a killed replica counted is lost with it."""
        behind = [own.server for own in (*self.sequential, *self.parallel)]
        return await History(self.gateway.server, behind).begin()


@contextmanager
def fleet(folder: Path, num_sequential: int, num_parallel: int) -> Iterator[Fleet]:
    """Make so many replicas of each backend and a gateway; `start` each of `all`, or those that a row wants."""
    sequential = [backend(folder, "sequential", i) for i in range(num_sequential)]
    parallel = [backend(folder, "parallel", i) for i in range(num_parallel)]
    gateway = own_gateway(folder, [own.server for own in sequential], [own.server for own in parallel])
    made = Fleet(gateway, sequential, parallel)
    with ExitStack() as ends:
        for own in made.all:
            ends.callback(own.end)
        yield made


def own_gateway(folder: Path, sequential: Sequence[Server], parallel: Sequence[Server], *flags: str) -> OwnServer:
    """Return a gateway in front of these backends, with more of its flags."""
    targets = ",".join(server.address for server in sequential), ",".join(server.address for server in parallel)
    words = ("--ar-targets", targets[0], "--gan-targets", targets[1], "--drain-seconds", f"{DRAIN_SECONDS:g}")
    return OwnServer("own-gateway", "gateway", folder, *words, *flags)


def backend(folder: Path, paradigm: str, number: int = 0, *flags: str) -> OwnServer:
    """Return a backend of one paradigm, with the matched pair's model or with more of its flags."""
    module, model = MODULES[paradigm]
    words = ("--models-dir", str(MODELS), "--models", f'["{model}"]', "--drain-seconds", f"{DRAIN_SECONDS:g}")
    return OwnServer(f"{paradigm}-{number}", module, folder, *words, *flags)


def text_backend(folder: Path) -> OwnServer:
    """Return a sequential backend with a tiny random text model: the paths of text, at next to no cost."""
    add_to_repository(folder, TEXT_MODEL)
    words = ("--models-dir", str(folder), "--models", TEXT_MODEL, "--max-context-tokens", "512")
    return OwnServer("text", "services.ar", folder, *words)
