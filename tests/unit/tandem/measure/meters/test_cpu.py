"""CPU seconds from real metrics pages."""

import time
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.exposition import start_http_server

from runtime.metrics import new_registry
from tandem.measure.meters.cpu import CpuReading, cpu_meter, read_cpu_seconds

GATEWAY = "127.0.0.1:51234"


@pytest.fixture
def page() -> Iterator[str]:
    yield from served(new_registry())


def served(registry: CollectorRegistry) -> Iterator[str]:
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_page_s_seconds_are_the_process_s_own(page: str) -> None:
    before = time.process_time()
    found = read_cpu_seconds(page)
    assert before - 0.02 <= found <= time.process_time() + 0.02  # it counts in hundredths


async def test_what_is_known_is_read_and_the_rest_is_none(page: str) -> None:
    meter = cpu_meter(GATEWAY, {"parallel": page})
    assert [(source.process, source.is_known) for source in meter.sources] == [
        ("gateway", False),
        ("sequential backend", False),
        ("parallel backend", True),
    ]
    assert await meter.read("sequential") == CpuReading(None, None)
    reading = await meter.read("parallel")
    assert reading.gateway is None
    assert reading.backend is not None


def test_a_page_that_is_given_must_be_there() -> None:
    with pytest.raises(ValueError, match=r"gateway metrics: no CPU time to be had at 127\.0\.0\.1:1: "):
        cpu_meter(GATEWAY, {"gateway": "127.0.0.1:1"})


def test_a_page_without_cpu_seconds_is_no_source() -> None:
    registry = CollectorRegistry()
    Counter("other", "x", registry=registry)
    for address in served(registry):
        with pytest.raises(ValueError, match="has no process_cpu_seconds_total"):
            cpu_meter(GATEWAY, {"sequential": address})


def test_the_default_pages_are_looked_for_only_beside_the_default_gateway() -> None:
    """A gateway elsewhere has its own: those at the default ports would be of other servers."""
    assert all(source.metrics_address is None for source in cpu_meter(GATEWAY, {}).sources)
    addresses = [source.metrics_address for source in cpu_meter("127.0.0.1:50050", {}).sources]
    assert addresses == ["127.0.0.1:8080", "127.0.0.1:9101", "127.0.0.1:9102"]
