"""Where replicas are: host:port, of which the host is an address or a name that stands for several."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass


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

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_address(self) -> bool:
        """Whether the host is an IP address itself, and stands for nothing else."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True
