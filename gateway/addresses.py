"""Which addresses a replica's target stands for. A name stands for as many as its DNS server says, until it says
something else: that is how replicas come and go in Docker Compose and behind a headless Service in Kubernetes.
"""

import asyncio
import ipaddress
import logging
import socket

logger = logging.getLogger(__name__)


def split(target: str) -> tuple[str, int]:
    """Return host and port of `target` (host:port or [IPv6]:port)."""
    host, _, port = target.rpartition(":")
    return host.strip("[]"), int(port)


def is_numeric(target: str) -> bool:
    """Return whether the target is an address itself, and stands for nothing else."""
    try:
        ipaddress.ip_address(split(target)[0])
    except ValueError:
        return False
    return True


async def resolve(target: str) -> frozenset[str] | None:
    """Return the addresses, host:port each, of one family, so that a server with both counts once: of IPv4 if there
    are such. None if nobody can say: then what was known still holds.
    """
    host, port = split(target)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        logger.debug("%s: %s", target, error)
        return None
    ipv4 = {f"{address[0]}:{port}" for family, *_, address in found if family == socket.AF_INET}
    return frozenset(ipv4 or {f"[{address[0]}]:{port}" for *_, address in found})
