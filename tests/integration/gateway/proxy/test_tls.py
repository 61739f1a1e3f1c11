"""TLS and mutual TLS of Envoy: on its ports, to the backends, and with certificates that change."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import ssl
from asyncio.subprocess import PIPE
from pathlib import Path

import grpc
import pytest

from gateway.proxy.certificates import watch_certificates
from runtime.tls import ChannelTls
from tests.certificates import Authority, backend_settings, server_settings
from tests.faults.attacks.connection import connected
from tests.integration.gateway.fakes import HOST, SCORE
from tests.integration.gateway.proxy.backend import Backend, sequential
from tests.integration.gateway.proxy.running import Proxy, proxy
from tests.waiting import until


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@pytest.fixture
def strange(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "strange")


async def call(running: Proxy, tls: ChannelTls | None, host: str = HOST) -> str:
    """Return how a call over a connection of its own ends: "OK", or grpc's words."""
    address = f"{host}:{running.envoy.ports['grpc']}"
    options = (("grpc.use_local_subchannel_pool", 1),)
    channel = (
        grpc.aio.secure_channel(address, tls.grpc_credentials(), options=options)
        if tls
        else grpc.aio.insecure_channel(address, options=options)
    )
    async with channel:
        try:
            await channel.unary_unary(SCORE)(b"")
        except grpc.aio.AioRpcError as error:
            return f"{error.code().name}: {error.details()}"
    return "OK"


async def is_greeted(running: Proxy, port: str, tls: ChannelTls) -> bool:
    """Return whether a port agrees to TLS with HTTP/2 and says its first word."""
    context = ssl.create_default_context(cafile=str(tls.ca))
    context.set_alpn_protocols(["h2"])
    if tls.identity:
        context.load_cert_chain(tls.identity.cert, tls.identity.key)
    with contextlib.suppress(OSError):
        async with connected(f"{HOST}:{running.envoy.ports[port]}", tls=context) as connection:
            return await connection.greeted()  # with TLS 1.3 a refusal comes after the client's side is done
    return False


async def test_who_trusts_the_ca_gets_in_and_nobody_in_the_clear(
    ar: Backend, ours: Authority, strange: Authority
) -> None:
    async with proxy([ar], **server_settings(ours.server("127.0.0.1", "localhost"))) as running:
        assert [await call(running, ours.client(), host) for host in (HOST, "localhost")] == ["OK", "OK"]
        assert "CERTIFICATE_VERIFY_FAILED" in await call(running, strange.client())
        assert "UNAVAILABLE" in await call(running, None)
        for port in ("grpc", "http"):
            assert await is_greeted(running, port, ours.client())
    assert len(ar.calls) == 2


async def test_grpc_web_over_tls_by_both_versions_of_http(ar: Backend, ours: Authority) -> None:
    """A client in Node has HTTP/1.1 alone, and a browser takes HTTP/2."""
    settings = server_settings(ours.server("127.0.0.1"))
    headers = ("-H", "content-type: application/grpc-web+proto", "-H", "origin: https://a.example")
    async with proxy([ar], browser_origins=["https://a.example"], **settings) as running:
        for version in ("1.1", "2"):
            command = ("curl", "-sS", "-i", f"--http{version}", "--cacert", str(ours.ca), *headers)
            sent = ("--data-binary", "@-", f"https://{running.address}{SCORE}")
            curl = await asyncio.create_subprocess_exec(*command, *sent, stdin=PIPE, stdout=PIPE)
            reply = (await curl.communicate(bytes(5)))[0]  # an empty message
            assert reply.startswith(f"HTTP/{version} 200".encode())
            assert b"grpc-status:0" in reply


async def test_mutual_tls_refuses_strangers_at_both_ports(ar: Backend, ours: Authority, strange: Authority) -> None:
    async with proxy([ar], **server_settings(ours.server(mutual=True))) as running:
        assert await call(running, ours.client("client")) == "OK"
        for stranger in (ours.client(), ChannelTls(ours.ca, strange.issue("stranger"))):
            assert "UNAVAILABLE" in await call(running, stranger)
            for port in ("grpc", "http"):
                assert not await is_greeted(running, port, stranger)
    assert len(ar.calls) == 1


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_backends_are_reached_over_mutual_tls_and_known_by_their_names(ours: Authority, name: str) -> None:
    """The certificate is for one of both: an address is checked as such, and a name as that."""
    async with sequential(tls=ours.server(name, mutual=True)) as ar:
        settings = {"ar_targets": [f"{name}:{ar.port}"], **backend_settings(ours.client("gateway"))}
        async with proxy(**settings) as running:
            await running.until_serving(1)
            assert (await running.call(SCORE)).code is grpc.StatusCode.OK


@pytest.mark.parametrize("wrong", ["nothing", "no certificate", "another CA's certificate", "another CA", "the name"])
async def test_a_backend_that_envoy_cannot_agree_with_gets_nothing(
    ours: Authority, strange: Authority, wrong: str
) -> None:
    settings = {
        "nothing": {},
        "no certificate": backend_settings(ours.client()),
        "another CA's certificate": backend_settings(ChannelTls(ours.ca, strange.issue("gateway"))),
        "another CA": backend_settings(ChannelTls(strange.ca, ours.issue("gateway"))),
        "the name": backend_settings(ours.client("gateway")),
    }[wrong]
    tls = ours.server("elsewhere.test" if wrong == "the name" else HOST, mutual=True)
    async with sequential(tls=tls) as ar, proxy([ar], **settings) as running:
        assert (await running.call(SCORE)).code is grpc.StatusCode.UNAVAILABLE
        assert not ar.calls


@pytest.mark.parametrize("way", ["written in place", "moved"])
async def test_a_new_certificate_is_shown_without_a_restart(
    ar: Backend, ours: Authority, strange: Authority, way: str
) -> None:
    """Those who are connected stay; those who come see the new one."""
    tls = ours.server()
    files = (tls.identity.cert, tls.identity.key)
    async with proxy([ar], **server_settings(tls)) as running:
        watch = asyncio.create_task(watch_certificates(files, running.sockets, every_seconds=0.02))
        assert await call(running, ours.client()) == "OK"
        new = strange.server().identity
        for old, fresh in zip(files, (new.cert, new.key), strict=True):
            if way == "moved":
                os.replace(fresh, old)
            else:
                shutil.copyfile(fresh, old)
        async with asyncio.timeout(60):
            while await call(running, strange.client()) != "OK":
                await asyncio.sleep(0.02)
        watch.cancel()


async def test_files_that_are_no_good_change_nothing(
    ar: Backend, ours: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    tls = ours.server()
    async with proxy([ar], **server_settings(tls)) as running:
        watch = asyncio.create_task(watch_certificates((tls.identity.cert,), running.sockets, every_seconds=0.02))
        assert await call(running, ours.client()) == "OK"
        tls.identity.cert.write_text("nothing")
        await until(lambda: "Failed to reload certificates" in caplog.text)
        assert await call(running, ours.client()) == "OK"
        watch.cancel()
