"""Gateways of a row's own, with other guards, in front of the product's backends."""

from __future__ import annotations

import sys
from pathlib import Path

from tandem.cli.servers.child import ChildSpec
from tandem.cli.servers.ports import HOST, free_ports
from tests.faults.product import Product
from tests.faults.server import OwnServer


def own_gateway(product: Product, folder: Path, *flags: str) -> tuple[OwnServer, str]:
    """Return a gateway with these flags, not started, and the address of its HTTP port; its log is in `folder`."""
    port, http_port = free_ports(2)
    targets = ("--ar-targets", product.sequential.address, "--gan-targets", product.parallel.address)
    command = (sys.executable, "-m", "gateway", "--port", str(port), "--http-port", str(http_port), *targets, *flags)
    web_address = f"http://{HOST}:{http_port}"
    spec = ChildSpec("own gateway", command, f"{HOST}:{port}")
    return OwnServer(spec, f"{web_address}/metrics", folder / "own-gateway.log"), web_address
