"""The numbers on a /metrics page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

PARADIGM_OF = {"tandem.ar.v1.AutoregressiveService": "sequential", "tandem.gan.v1.GanService": "parallel"}
SERVICE_OF = {paradigm: service for service, paradigm in PARADIGM_OF.items()}
# Blocks, queues and permits that hold nothing once no request is open.
IDLE_GAUGES = (
    "tandem_requests_in_flight",
    "tandem_replica_requests_in_flight",
    "tandem_sequences_waiting",
    "tandem_sequences_running",
    "tandem_kv_blocks_used",
    "tandem_images_queued",
    "tandem_batcher_requests",
)

Calls = Counter[tuple[str, str]]
"""Calls by (path, code): "/tandem.gan.v1.GanService/Sample", "OK"."""


class Page:
    """A /metrics page that was read."""

    def __init__(self, text: str) -> None:
        self._samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def samples(self, name: str, **labels: str) -> Iterable[Sample]:
        """Return the samples called `name` that have at least `labels`."""
        return (sample for sample in self._samples if sample.name == name and labels.items() <= sample.labels.items())

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of those samples."""
        return sum(sample.value for sample in self.samples(name, **labels))

    def calls(self) -> Calls:
        """Return the calls that ended, by path and code; on a backend's page as on the gateway's."""
        found: Calls = Counter()
        for name in ("tandem_requests_total", "tandem_backend_requests_total"):
            for sample in self.samples(name):
                path = f"/{SERVICE_OF[sample.labels['paradigm']]}/{sample.labels['rpc']}"
                found[path, sample.labels["code"]] += int(sample.value)
        return found

    def held(self) -> dict[str, float]:
        """Return what is not free: every gauge of IDLE_GAUGES that is not 0, summed over its labels."""
        totals = {name: self.total(name) for name in IDLE_GAUGES}
        return {name: value for name, value in totals.items() if value}


async def scrape(url: str) -> Page:
    """Read a /metrics page. Raises httpx.HTTPError."""
    async with httpx.AsyncClient(timeout=10.0, trust_env=False) as client:
        response = await client.get(url)
        response.raise_for_status()
        return Page(response.text)
