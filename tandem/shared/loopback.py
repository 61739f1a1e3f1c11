"""Which addresses are of this machine alone. Both sides of a connection ask."""

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Return whether a host, as its text says, can be reached from this machine only; an unknown name cannot."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_local(address: str) -> bool:
    """Return the same for host:port, or for a URL."""
    if "://" in address:
        return is_loopback(urlsplit(address).hostname or "")
    return is_loopback(address.rpartition(":")[0])
