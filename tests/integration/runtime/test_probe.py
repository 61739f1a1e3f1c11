"""`python -m runtime.probe` against real servers, in the clear and with TLS: exit code, one line, few imports."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from runtime.server.server import RpcServer
from runtime.tls import ServerTls
from tests.certificates import Authority

SERVICE = "tandem.gan.v1.GanService"
ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def serving(tls: ServerTls | None = None) -> AsyncIterator[RpcServer]:
    server = RpcServer("127.0.0.1", 0, [], [SERVICE, "other"], tls)
    await server.start()
    await server.health.set_serving(True)
    try:
        yield server
    finally:
        await server.stop(0)


async def probe(address: str, *flags: str, variables: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Return its exit code and its one line."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **(variables or {})}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "runtime.probe", address, *flags),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
    )
    out, _ = await process.communicate()
    [line] = out.decode().splitlines()
    return process.returncode or 0, line


async def test_health_as_a_server_tells_it():
    async with serving() as server:
        address = f"127.0.0.1:{server.port}"
        assert await probe(address) == (0, f"{address}: all services: SERVING")
        await server.health.set_available("other", False)
        assert await probe(address) == (1, f"{address}: all services: NOT_SERVING")
        assert await probe(address, "--service", SERVICE) == (0, f"{address}: {SERVICE}: SERVING")
        code, line = await probe(address, "--service", "nothing")
        assert (code, line.startswith(f"{address}: nothing: NOT_FOUND")) == (1, True)


async def test_a_server_that_does_not_answer_costs_the_timeout_only():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        code, line = await probe(address, "--timeout", "0.2")
    assert (code, line.split(": ")[2]) == (1, "DEADLINE_EXCEEDED")


async def test_mutual_tls_by_flags_and_by_variables(tmp_path):
    ours = Authority(tmp_path, "ours")
    client = ours.issue("probe")
    flags = {"ca": str(ours.ca), "cert": str(client.cert), "key": str(client.key), "server-name": "gan.test"}
    async with serving(ours.server("gan.test", mutual=True)) as server:
        address = f"127.0.0.1:{server.port}"
        by_flags = [word for flag, value in flags.items() for word in (f"--{flag}", value)]
        assert (await probe(address, *by_flags))[0] == 0
        variables = {f"TANDEM_PROBE_{flag.upper().replace('-', '_')}": value for flag, value in flags.items()}
        assert (await probe(address, variables=variables))[0] == 0
        for missing in ("ca", "cert", "server-name"):
            left = {name: value for name, value in flags.items() if name != missing}
            if missing == "cert":
                del left["key"]
            words = [word for flag, value in left.items() for word in (f"--{flag}", value)]
            assert (await probe(address, *words))[0] == 1


def test_it_imports_little():
    heavy = {"pydantic", "numpy", "torch", "onnxruntime", "uvloop", "fastapi"}
    script = f"import sys, runtime.probe; sys.exit(' '.join({heavy!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False, capture_output=True, text=True)
    assert found.stderr.strip() == ""
