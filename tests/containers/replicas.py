"""The replicas of a backend, as the gateway's figures and their own show them."""

import asyncio

import httpx

from tests.containers.deployment import WEB, Container, Deployment
from tests.containers.load import until
from tests.faults.scrape import Page

PARADIGMS = {"ar": "sequential", "gan": "parallel"}


async def two_of(service: str, pairs: Deployment) -> list[Container]:
    await asyncio.to_thread(pairs.up, ar=2, gan=2)
    replicas = pairs.containers(service)
    assert len(replicas) == 2
    await until_serving(service, *replicas)
    return replicas


def by_replica(service: str, name: str) -> dict[str, float]:
    """Return one of the gateway's figures of the replicas of a service, by their addresses."""
    found = Page(httpx.get(f"{WEB}/metrics").text).samples(name, paradigm=PARADIGMS[service])
    return {sample.labels["target"].split(":")[0]: sample.value for sample in found}


def in_hand(service: str) -> dict[str, float]:
    return by_replica(service, "tandem_replica_requests_in_flight")


def served_by(container: Container) -> float:
    """Return how many Samples a replica has answered."""
    page = Page(httpx.get(f"http://{container.address}:9102/metrics").text)
    return page.total("tandem_backend_requests_total", rpc="Sample")


async def until_serving(service: str, *replicas: Container) -> None:
    """Return when the gateway serves from exactly these."""
    wanted = {replica.address for replica in replicas}

    def is_so() -> bool:
        found = by_replica(service, "tandem_replica_serving")
        return {address for address, value in found.items() if value} == wanted

    await until(is_so)
