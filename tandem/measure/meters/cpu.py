"""What the servers say of their own CPU time: process_cpu_seconds_total of their metrics pages.

So it works wherever the servers are. Knows no model; asks the processes only when told to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from tandem.expected_errors import ExpectedError
from tandem.measure.meters.metrics_page import read
from tandem.measure.results.comparison import CpuSource

_CPU_SECONDS = "process_cpu_seconds_total"
_DEFAULT_GATEWAY_PORT = 50050
_DEFAULT_PORTS = {"gateway": 8080, "sequential": 9101, "parallel": 9102}
_PROCESSES = {"gateway": "gateway", "sequential": "sequential backend", "parallel": "parallel backend"}

Addresses = Mapping[str, str]
"""host:port of a metrics page, by "gateway" or paradigm; absent: not given."""


def read_cpu_seconds(address: str) -> float:
    """Return the CPU seconds a process has used. Raises OSError if it has no such page, ValueError if the page does
    not tell, as where there is no /proc."""
    found = read(address).values(_CPU_SECONDS)
    if not found:
        raise ExpectedError(f"the page at {address}/metrics has no {_CPU_SECONDS}")
    return found[0]


@dataclass(frozen=True)
class CpuReading:
    """CPU seconds so far of the gateway, and of the backend of one paradigm; None: not known."""

    gateway: float | None
    backend: float | None


class CpuMeter:
    """Reads those pages that answered at the beginning."""

    def __init__(self, sources: Mapping[str, CpuSource]) -> None:
        self.sources = tuple(sources.values())
        self._addresses = {name: source.metrics_address for name, source in sources.items() if source.is_known}

    async def read(self, paradigm: str) -> CpuReading:
        """Raises OSError if a process that was there is gone."""
        gateway, backend = await asyncio.gather(*(self._of(name) for name in ("gateway", paradigm)))
        return CpuReading(gateway, backend)

    async def _of(self, name: str) -> float | None:
        address = self._addresses.get(name)
        return None if address is None else await asyncio.to_thread(read_cpu_seconds, address)


def cpu_meter(gateway_address: str, given: Addresses) -> CpuMeter:
    """Return a meter of the processes behind a gateway. Raises ValueError if a page that is given is not there.

    Pages that are not given are looked for at the default ports of the gateway's host, but only if the gateway is at
    its default port, too: else they may be of other servers.
    """
    return CpuMeter({name: _source(name, gateway_address, given.get(name)) for name in _PROCESSES})


def _source(name: str, gateway_address: str, given: str | None) -> CpuSource:
    address = given or _default(name, gateway_address)
    known, note = False, "its metrics address was not given, and the gateway is not at its default port"
    if address is not None:
        try:
            read_cpu_seconds(address)
            known, note = True, _CPU_SECONDS
        except ValueError as error:
            note = f"no CPU time to be had at {address}: {error}"
            if given is not None:
                raise ExpectedError(f"{name} metrics: {note}") from None
    return CpuSource.model_validate(
        {"process": _PROCESSES[name], "metrics_address": address, "is_known": known, "note": note}
    )


def _default(name: str, gateway_address: str) -> str | None:
    host, _, port = gateway_address.rpartition(":")
    return f"{host}:{_DEFAULT_PORTS[name]}" if port == str(_DEFAULT_GATEWAY_PORT) else None
