"""CPU seconds from real metrics pages."""

import time
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.exposition import start_http_server

from runtime.metrics import new_registry
from tandem.measure.meters.cpu import CpuMeter, CpuReading, cpu_meter, read_cpu_seconds
from tandem.measure.results.comparison import CpuSource

GATEWAY = "127.0.0.1:1"  # nobody listens there


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


def test_a_gateway_s_seconds_are_those_of_both_its_processes() -> None:
    registry = CollectorRegistry()
    for name, seconds in (("process_cpu_seconds", 1.5), ("envoy_process_cpu_seconds", 4.0)):
        Counter(name, "x", registry=registry).inc(seconds)
    for address in served(registry):
        assert read_cpu_seconds(address) == 5.5


async def test_what_is_known_is_read_and_the_rest_is_none(page: str) -> None:
    meter = await cpu_meter(GATEWAY, {"parallel": page})
    assert [(source.process, source.is_known) for source in meter.sources] == [
        ("gateway", False),
        ("sequential backend", False),
        ("parallel backend", True),
    ]
    assert await meter.read("sequential") == CpuReading(None, None)
    reading = await meter.read("parallel")
    assert reading.gateway is None
    assert reading.backend is not None


async def test_a_page_that_is_given_must_be_there() -> None:
    with pytest.raises(ValueError, match=r"gateway metrics: no CPU time to be had at 127\.0\.0\.1:1: "):
        await cpu_meter(GATEWAY, {"gateway": "127.0.0.1:1"})


async def test_a_page_without_cpu_seconds_is_no_source() -> None:
    registry = CollectorRegistry()
    Counter("other", "x", registry=registry)
    for address in served(registry):
        with pytest.raises(ValueError, match="has no process_cpu_seconds_total"):
            await cpu_meter(GATEWAY, {"sequential": address})


async def test_a_server_that_cannot_be_asked_is_named() -> None:
    notes = [source.note for source in (await cpu_meter(GATEWAY, {})).sources]
    assert notes == [f"the server at {GATEWAY} does not answer a health check: UNAVAILABLE"] * 3


async def test_a_page_that_is_gone_is_an_os_error() -> None:
    with pytest.raises(OSError, match="refused"):
        await CpuMeter((), {"parallel": ("127.0.0.1:1",)}).read("parallel")


async def test_replicas_count_together(page: str) -> None:
    """Both "replicas" are this process: twice its seconds."""
    source = CpuSource(process="parallel backend", metrics_address=f"{page}, {page}", is_known=True, note="")
    before = time.process_time()
    found = (await CpuMeter([source], {"parallel": (page, page)}).read("parallel")).backend
    assert found is not None
    assert 2 * (before - 0.02) <= found <= 2 * (time.process_time() + 0.02)
