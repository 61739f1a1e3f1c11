"""Who can reach a server: this machine alone, or others as well."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Return whether an address to bind to can be reached from this machine only; a name that is not known cannot."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class OpenToAll(ValueError):
    """Expected error: a server would take anybody's requests from anywhere; `guards` are settings that prevent it."""

    def __init__(self, host: str, guards: str) -> None:
        super().__init__(
            f"host: {host!r} can be reached from other machines, and nothing keeps strangers out; set {guards}, or bind"
            " to 127.0.0.1, or start it open to all with allow_open (--allow-open, TANDEM_ALLOW_OPEN=true)"
        )
