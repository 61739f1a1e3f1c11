"""Where replicas are: host:port, of which the host is an address or a name that stands for several."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from gateway.proxy.document import Json

SOCKET_MATCH = "envoy.transport_socket_match"
HOST_KEY = "host"


@dataclass(frozen=True)
class Endpoint:
    """A target of the settings, taken apart; IPv6 addresses are without brackets."""

    host: str
    port: int

    @classmethod
    def parse(cls, target: str) -> Endpoint:
        """Take host:port or [IPv6]:port apart."""
        host, _, port = target.rpartition(":")
        return cls(host.strip("[]"), int(port))

    @property
    def is_address(self) -> bool:
        """Whether the host is an IP address itself, and stands for nothing else."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True

    def address(self) -> Json:
        """Return an envoy.config.core.v3.Address."""
        return {"socket_address": {"address": self.host, "port_value": self.port}}

    def locality(self) -> Json:
        """Return it for a load assignment. The metadata leads to the TLS that checks this host's name."""
        metadata = {"filter_metadata": {SOCKET_MATCH: {HOST_KEY: self.host}}}
        return {"lb_endpoints": [{"endpoint": {"address": self.address()}, "metadata": metadata}]}
