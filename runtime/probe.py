"""`python -m runtime.probe HOST:PORT`: is the server there ready? Exit code 0 or 1, and one line that says why.

For the health checks of containers and Kubernetes, which start it again and again: it imports little. The word is
grpc.health.v1's, so it means loaded, warm, and making progress.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

# What grpc's core has to say of a connection that fails is in the line below as well.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

_VARIABLE = "TANDEM_PROBE_"


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, print, and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        code, line = _ask(options)
    except OSError as error:
        code, line = 1, f"{error.filename}: {(error.strerror or str(error)).lower()}"
    print(line)
    return code


def _ask(options: argparse.Namespace) -> tuple[int, str]:
    channel = _channel(options)
    request = health_pb2.HealthCheckRequest(service=options.service)
    name = options.service or "all services"
    try:
        reply = health_pb2_grpc.HealthStub(channel).Check(request, timeout=options.timeout)
    except grpc.RpcError as error:
        return 1, f"{options.address}: {name}: {error.code().name}: {' '.join((error.details() or '').split())}"
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)
    return int(status != "SERVING"), f"{options.address}: {name}: {status}"


def _channel(options: argparse.Namespace) -> grpc.Channel:
    channel_options: list[tuple[str, int | str]] = [("grpc.enable_http_proxy", 0), ("grpc.enable_retries", 0)]
    if not options.ca:
        return grpc.insecure_channel(options.address, options=channel_options)
    if options.server_name:
        channel_options.append(("grpc.ssl_target_name_override", options.server_name))
    ca, key, cert = (Path(path).read_bytes() if path else None for path in (options.ca, options.key, options.cert))
    return grpc.secure_channel(options.address, grpc.ssl_channel_credentials(ca, key, cert), options=channel_options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m runtime.probe", description=__doc__)
    parser.add_argument("address", metavar="HOST:PORT")
    parser.add_argument("--service", default="", help="full name of one service; without it, all of them")
    parser.add_argument("--timeout", type=float, default=2.0, metavar="SECONDS")
    for flag, text in (
        ("ca", "PEM file of the CA of the server's certificate; with it, TLS"),
        ("cert", "PEM file with the certificate to show"),
        ("key", "PEM file with the private key to it"),
        ("server-name", "name in the server's certificate, if it is not HOST"),
    ):
        variable = _VARIABLE + flag.upper().replace("-", "_")
        parser.add_argument(f"--{flag}", default=os.environ.get(variable, ""), help=f"{text} ({variable})")
    return parser


if __name__ == "__main__":
    sys.exit(main())
