"""CPU time: of servers, as they say of it themselves, by process_cpu_seconds_total of their metrics pages; and of
processes of this machine.

The gateway is two processes, and its page tells of both: Envoy's is envoy_process_cpu_seconds_total. So it works
wherever the servers are. Knows no model; asks the processes only when told to.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tandem.client.credentials import Credentials, open_async_channel
from tandem.measure.meters.metrics_page import fetch, read
from tandem.measure.results.comparison import CpuSource
from tandem.shared.errors import ExpectedError
from tandem.shared.loopback import is_loopback
from tandem.shared.metrics import METRICS_PORT_METADATA

_TIMEOUT_SECONDS = 5.0
_CPU_SECONDS = "process_cpu_seconds_total"
_ENVOY_CPU_SECONDS = "envoy_process_cpu_seconds_total"
_PROCESSES: dict[str, Literal["gateway", "sequential backend", "parallel backend"]] = {
    "gateway": "gateway",
    "sequential": "sequential backend",
    "parallel": "parallel backend",
}

Addresses = Mapping[str, str]
"""host:port of a metrics page, by "gateway" or paradigm; absent: not given."""


def read_cpu_seconds(address: str) -> float:
    """Return the CPU seconds that a server has used, a gateway with its Envoy. Raises ExpectedError if it has no such
    page, or if the page does not tell, as where there is no /proc."""
    page = read(address)
    own = page.values(_CPU_SECONDS)
    if not own:
        raise ExpectedError(f"the page at {address}/metrics has no {_CPU_SECONDS}")
    return own[0] + page.total(_ENVOY_CPU_SECONDS)


def cpu_seconds_below(root: int) -> float:
    """Return the CPU seconds so far of a process here and of all that it has started; 0 where there is no /proc."""
    parents, ticks = {}, {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = file.read_text().rpartition(")")[2].split()
            pid = int(file.parent.name)
            parents[pid], ticks[pid] = int(fields[1]), sum(map(int, fields[11:15]))  # of children that have ended, too
    below = {root}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return sum(ticks.get(pid, 0) for pid in below) / os.sysconf("SC_CLK_TCK")


class CpuReading(NamedTuple):
    """CPU seconds so far of the gateway, and of the backend of one paradigm; None: not known."""

    gateway: float | None
    backend: float | None


class CpuMeter:
    """Reads those processes whose pages answered at the beginning; of several replicas it reads the sum."""

    def __init__(self, sources: Sequence[CpuSource], pages: Mapping[str, Sequence[str]]) -> None:
        """`pages`: host:port of the pages of what is known, by "gateway" or paradigm."""
        self.sources = tuple(sources)
        self._pages = pages

    def num_replicas(self, paradigm: str) -> int:
        """Return how many backends of a paradigm are read; 1 where that is not known."""
        return len(self.pages_of(paradigm)) or 1

    def pages_of(self, paradigm: str) -> Sequence[str]:
        """Return the pages of the backends of a paradigm, host:port; none where that is not known."""
        return self._pages.get(paradigm, ())

    async def read(self, paradigm: str) -> CpuReading:
        """Raises OSError if a process that was there is gone."""
        return CpuReading(*await asyncio.gather(*(self._of(name) for name in ("gateway", paradigm))))

    async def _of(self, name: str) -> float | None:
        if name not in self._pages:
            return None
        try:
            return sum(await asyncio.gather(*(asyncio.to_thread(read_cpu_seconds, page) for page in self._pages[name])))
        except ExpectedError as error:
            raise ConnectionError(str(error)) from None


async def cpu_meter(gateway_address: str, given: Addresses) -> CpuMeter:
    """Return a meter of the processes behind a gateway. Raises ValueError if a page that is given is not there.

    Pages that are not given are those that the processes tell of. A paradigm is known only if all its replicas are: a
    part of them would look like less work.
    """
    sources, pages = [], dict[str, tuple[str, ...]]()
    for name, process in _PROCESSES.items():
        note = _CPU_SECONDS
        try:
            pages[name] = await _answering(name, gateway_address, given.get(name))
        except NotReported as error:
            note = str(error)
        address = ", ".join(pages.get(name, ())) or None
        sources.append(CpuSource(process=process, metrics_address=address, is_known=name in pages, note=note))
    return CpuMeter(sources, pages)


async def _answering(name: str, gateway_address: str, given: str | None) -> tuple[str, ...]:
    """Return pages that tell of CPU time. Raises NotReported, or ExpectedError for a page that is given."""
    if given is not None:
        pages: tuple[str, ...] = (given,)
    elif name == "gateway":
        pages = await pages_of_gateway(gateway_address)
    else:
        pages = await pages_of_backend(gateway_address, name)
    for page in pages:
        try:
            await asyncio.to_thread(read_cpu_seconds, page)
        except ValueError as error:
            note = f"no CPU time to be had at {page}: {error}"
            raise ExpectedError(f"{name} metrics: {note}") if given is not None else NotReported(note) from None
    return pages


class NotReported(Exception):
    """Expected: the addresses of the metrics pages of a process cannot be found out; the text says why."""


async def pages_of_gateway(address: str) -> tuple[str]:
    """Return the metrics page (host:port) of the gateway at `address`. Raises NotReported."""
    return (await _page(address, Credentials.from_environment()),)


async def pages_of_backend(gateway_address: str, paradigm: str) -> tuple[str, ...]:
    """Return the metrics pages of all ready replicas of a paradigm. Raises NotReported if one of them is not known."""
    [page] = await pages_of_gateway(gateway_address)
    status = await asyncio.to_thread(_status, page)
    try:
        listed = next(entry["replicas"] for entry in status["paradigms"] if entry["paradigm"] == paradigm)
        targets = [replica["target"] for replica in listed if replica["state"] == "serving"]
    except (KeyError, TypeError, StopIteration):
        raise NotReported(f"{page}/status is not the gateway's") from None
    if not targets:
        raise NotReported(f"the gateway has no replica of the {paradigm} backend")
    # In the clear: the credentials of the environment are for the gateway alone.
    return tuple([await _page(_seen_from_here(target, gateway_address), Credentials()) for target in targets])


def _seen_from_here(target: str, gateway_address: str) -> str:
    """Return the address of a replica; a loopback address is one of the gateway's machine."""
    host, _, port = target.rpartition(":")
    return f"{gateway_address.rpartition(':')[0]}:{port}" if is_loopback(host) else target


async def _page(address: str, credentials: Credentials) -> str:
    try:
        async with open_async_channel(address, credentials) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            call = stub.Check(health_pb2.HealthCheckRequest(), timeout=_TIMEOUT_SECONDS, metadata=credentials.metadata)
            await call
            trailers = dict(await call.trailing_metadata())
    except grpc.RpcError as error:
        raise NotReported(f"the server at {address} does not answer a health check: {error.code().name}") from None
    port = trailers.get(METRICS_PORT_METADATA)
    if port is None:
        raise NotReported(f"the server at {address} does not tell where its metrics are")
    return f"{address.rpartition(':')[0]}:{port}"


def _status(page: str) -> Any:
    credentials = Credentials.from_environment()
    if credentials.ca is not None:  # a key must not travel in the clear
        raise NotReported("the gateway uses TLS, and is asked for its replicas in the clear only")
    try:
        return json.loads(fetch(f"{page}/status", dict(credentials.metadata or ())))
    except ValueError as error:
        raise NotReported(f"{page}/status: {error}") from None
