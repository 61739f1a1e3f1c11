"""TLS and mutual TLS: between clients and the gateway on both ports, and between the gateway and its backends."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from runtime.rpc.routes import PARALLEL
from runtime.tls import ChannelTls, ServerTls
from tests.certificates import Authority, backend_settings, server_settings
from tests.integration.gateway.fakes import SAMPLE, FakeBackend, FakeParallel
from tests.integration.gateway.running import RunningGateway, running_gateway


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@pytest.fixture
def other(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "other")


async def sample(gateway: RunningGateway, tls: ChannelTls | None, host: str = "127.0.0.1") -> str:
    """Return how a call over a connection of its own ends: "OK", or grpc's words."""
    address = f"{host}:{gateway.gateway.server.port}"
    options = (("grpc.use_local_subchannel_pool", 1),)
    channel = (
        grpc.aio.secure_channel(address, tls.grpc_credentials(), options=options)
        if tls
        else grpc.aio.insecure_channel(address, options=options)
    )
    async with channel:
        try:
            await channel.unary_unary(SAMPLE)(b"")
        except grpc.aio.AioRpcError as error:
            return f"{error.code().name}: {error.details()}"
    return "OK"


async def get(gateway: RunningGateway, tls: ChannelTls | None, path: str = "/livez") -> int:
    """Return the status of a page, asked for with TLS or without. Raises httpx.TransportError."""
    if tls is None:
        scheme, context = "http", None
    else:
        scheme, context = "https", ssl.create_default_context(cafile=str(tls.ca))
        if tls.identity:
            context.load_cert_chain(tls.identity.cert, tls.identity.key)
    async with httpx.AsyncClient(verify=context or True, timeout=60) as client:
        return (await client.get(f"{scheme}://127.0.0.1:{gateway.gateway.http_port}{path}")).status_code


@contextlib.asynccontextmanager
async def gateway_with(gan: FakeBackend, **settings: Any) -> AsyncIterator[RunningGateway]:
    async with running_gateway([], [gan], **settings) as running:
        await running.until_replicas_serve(PARALLEL, 1)
        yield running


async def test_who_trusts_the_ca_gets_in(gan: FakeBackend, ours: Authority) -> None:
    async with gateway_with(gan, **server_settings(ours.server("127.0.0.1", "localhost"))) as gateway:
        for host in ("127.0.0.1", "localhost"):
            assert await sample(gateway, ours.client(), host) == "OK"
        for path in ("/livez", "/readyz", "/metrics", "/status", "/"):
            assert await get(gateway, ours.client(), path) == 200


async def test_who_trusts_another_ca_leaves(gan: FakeBackend, ours: Authority, other: Authority) -> None:
    async with gateway_with(gan, **server_settings(ours.server())) as gateway:
        assert "CERTIFICATE_VERIFY_FAILED" in await sample(gateway, other.client())
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await get(gateway, other.client())
        await gateway.until_idle()
        assert gateway.value("tandem_requests_total") == 0


async def test_a_certificate_for_another_name_is_none(gan: FakeBackend, ours: Authority) -> None:
    async with gateway_with(gan, **server_settings(ours.server("elsewhere.test"))) as gateway:
        assert "Hostname Verification Check failed" in await sample(gateway, ours.client())


async def test_nothing_is_served_in_the_clear_beside_tls(gan: FakeBackend, ours: Authority) -> None:
    async with gateway_with(gan, **server_settings(ours.server())) as gateway:
        assert "UNAVAILABLE: failed to connect" in await sample(gateway, None)
        with pytest.raises(httpx.TransportError):
            await get(gateway, None)


async def test_mutual_tls_lets_in_whom_the_client_ca_signed_and_nobody_else(
    gan: FakeBackend, ours: Authority, other: Authority
) -> None:
    async with gateway_with(gan, **server_settings(ours.server(mutual=True))) as gateway:
        assert await sample(gateway, ours.client("client")) == "OK"
        assert await get(gateway, ours.client("client")) == 200
        stranger = ChannelTls(ours.ca, other.issue("stranger"))
        for refused in (ours.client(), stranger):
            assert "UNAVAILABLE: failed to connect" in await sample(gateway, refused)
            # With TLS 1.3 the refusal comes after the handshake, where httpx lets the library's own error through.
            with pytest.raises((httpx.TransportError, ssl.SSLError)):
                await get(gateway, refused)
        await gateway.until_idle()
        assert gateway.value("tandem_requests_total") == 1


@contextlib.asynccontextmanager
async def backend_with(tls: ServerTls | None) -> AsyncIterator[FakeBackend]:
    backend = FakeBackend(PARALLEL, FakeParallel(), tls)
    await backend.start()
    yield backend
    await backend.stop()


async def test_the_gateway_reaches_its_backends_over_mutual_tls(ours: Authority) -> None:
    async with backend_with(ours.server(mutual=True)) as gan:
        async with gateway_with(gan, **backend_settings(ours.client("gateway"))) as gateway:
            await gateway.unary(SAMPLE, b"")
        assert gan.servicer.num_calls == 1


async def test_a_backend_found_by_name_is_known_by_that_name(ours: Authority) -> None:
    """Its name stands for IP addresses, and the connection is to one of these; the certificate need not name them."""
    async with backend_with(ours.server("localhost", mutual=True)) as gan:
        targets = {"gan_targets": [f"localhost:{gan.port}"]}
        async with gateway_with(gan, **targets, **backend_settings(ours.client("gateway"))) as gateway:
            assert [each.address for each in gateway.gateway.replicas.of(PARALLEL)] == [gan.target]
            await gateway.unary(SAMPLE, b"")


@pytest.mark.parametrize("wrong", ["nothing", "no certificate", "another CA's certificate", "another CA", "the name"])
async def test_a_backend_that_the_gateway_cannot_agree_with_is_not_reachable(
    ours: Authority, other: Authority, wrong: str
) -> None:
    shown = {
        "nothing": {},
        "no certificate": backend_settings(ours.client()),
        "another CA's certificate": backend_settings(ChannelTls(ours.ca, other.issue("gateway"))),
        "another CA": backend_settings(ChannelTls(other.ca, ours.issue("gateway"))),
        "the name": backend_settings(ours.client("gateway")),
    }[wrong]
    tls = ours.server("elsewhere.test" if wrong == "the name" else "127.0.0.1", mutual=True)
    async with backend_with(tls) as gan, running_gateway([], [gan], **shown) as gateway:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.unary(SAMPLE, b"")
        assert caught.value.details() == "parallel backend is not ready"
        assert not gan.servicer.num_calls
        assert not gateway.gateway.replicas.is_serving(PARALLEL)
