"""The replicas of a backend, as the gateway's figures and their own show them."""

import asyncio

import httpx

from tests.containers.deployment import WEB, Container, Deployment
from tests.containers.load import until
from tests.faults.scrape import Page

PARADIGMS = {"ar": "sequential", "gan": "parallel"}
METRICS_PORTS = {"ar": 9101, "gan": 9102}


async def two_of(service: str, pairs: Deployment) -> list[Container]:
    await asyncio.to_thread(pairs.up, ar=2, gan=2)
    replicas = pairs.containers(service)
    assert len(replicas) == 2
    await until_serving(service, *replicas)
    return replicas


def in_hand(container: Container) -> float:
    """Return how many sequences or requests a replica has, by its own page: the gateway's is of the last second."""
    page = Page(httpx.get(f"http://{container.address}:{METRICS_PORTS[container.service]}/metrics").text)
    return sum(map(page.total, ("tandem_sequences_waiting", "tandem_sequences_running", "tandem_batcher_requests")))


def served_by(container: Container) -> float:
    """Return how many Samples a replica has answered."""
    page = Page(httpx.get(f"http://{container.address}:{METRICS_PORTS['gan']}/metrics").text)
    return page.total("tandem_backend_requests_total", rpc="Sample")


async def until_serving(service: str, *replicas: Container, web: str = WEB) -> None:
    """Return when the gateway serves from exactly these."""
    wanted = {replica.address for replica in replicas}

    def is_so() -> bool:
        found = Page(httpx.get(f"{web}/metrics").text).samples("tandem_replica_serving", paradigm=PARADIGMS[service])
        return {sample.labels["target"].split(":")[0] for sample in found if sample.value} == wanted

    await until(is_so)
