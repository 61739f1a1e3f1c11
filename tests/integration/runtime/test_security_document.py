"""The commands of SECURITY.md make certificates that servers and clients of ours take; its settings are ours."""

import re
import shutil
import subprocess
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.settings import GatewaySettings
from runtime.server.server import RpcServer
from runtime.settings import ProcessSettings
from runtime.tls import ChannelTls, Identity
from services.ar.settings import ArSettings
from services.gan.settings import GanSettings

DOCUMENT = Path(__file__).parents[3] / "SECURITY.md"


def has_openssl_3() -> bool:
    openssl = shutil.which("openssl")
    if openssl is None:
        return False
    version = subprocess.run([openssl, "version"], capture_output=True, text=True, check=True).stdout
    return int(re.match(r"OpenSSL (\d+)", version)[1] if version.startswith("OpenSSL") else 0) >= 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    if not has_openssl_3():
        pytest.skip("OpenSSL 3 is not installed")
    folder = tmp_path_factory.mktemp("certificates")
    script = re.search(r"```sh\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[1]
    subprocess.run(["sh", "-e"], input=script, text=True, cwd=folder, check=True, capture_output=True)
    return folder


async def ask(port: int, tls: ChannelTls) -> bool:
    async with grpc.aio.secure_channel(f"localhost:{port}", tls.grpc_credentials()) as channel:
        try:
            await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        except grpc.aio.AioRpcError:
            return False
    return True


async def test_they_are_good_for_mutual_tls(folder):
    alice = Identity(folder / "alice.pem", folder / "alice.key")
    settings = ProcessSettings(
        tls_cert=folder / "gateway.pem", tls_key=folder / "gateway.key", tls_client_ca=folder / "ca.pem"
    )
    tls = settings.server_tls()
    server = RpcServer("127.0.0.1", 0, [], [], tls)
    await server.start()
    try:
        assert await ask(server.port, ChannelTls(folder / "ca.pem", alice))
        assert await ask(server.port, ChannelTls(folder / "ca.pem", tls.identity))
        assert not await ask(server.port, ChannelTls(folder / "ca.pem"))
    finally:
        await server.stop(0)


def test_keys_are_for_their_owner_alone(folder):
    assert {path.stat().st_mode & 0o777 for path in folder.glob("*.key")} == {0o600}


def test_every_setting_of_the_guards_is_one():
    rows = DOCUMENT.read_text().partition("| guard |")[2].partition("\n\n")[0].splitlines()[2:]
    named = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row.split("|")[2])}
    assert {"tls_cert", "tls_client_ca", "api_keys_file", "allow_open", "backend_key"} <= named
    assert named <= {name for settings in (GatewaySettings, ArSettings, GanSettings) for name in settings.model_fields}
