"""Clients and commands before a gateway that wants mutual TLS and an API key: with all, and with each thing missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from runtime.rpc.routes import PARALLEL, SEQUENTIAL
from tandem.client import Credentials, HandshakeFailed, TandemClient, TandemRpcError, Unauthenticated
from tests.certificates import Authority
from tests.integration.gateway.callers import SECRET, keys_file
from tests.integration.gateway.fakes import FakeBackend
from tests.integration.gateway.running import running_gateway
from tests.integration.tandem.cli.commands import Ended, run, tandem
from tests.integration.tandem.fakes import FakeParallel, FakeSequential


@dataclass(frozen=True)
class Secured:
    """A gateway's address, what opens it, and a CA that has nothing to do with it."""

    address: str
    credentials: Credentials
    other: Authority


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[Secured]:
    ours = Authority(tmp_path, "ours")
    server, client = ours.server(mutual=True), ours.issue("client")
    settings = {
        "tls_cert": server.identity.cert,
        "tls_key": server.identity.key,
        "tls_client_ca": server.client_ca,
        "api_keys_file": keys_file(tmp_path),
    }
    async with (
        FakeBackend(SEQUENTIAL, FakeSequential()) as text,
        FakeBackend(PARALLEL, FakeParallel()) as images,
        running_gateway([text], [images], waits=False, **settings) as running,
    ):
        await running.until_replicas_serve(SEQUENTIAL, 1)
        await running.until_replicas_serve(PARALLEL, 1)
        credentials = Credentials(ours.ca, client.cert, client.key, SECRET)
        yield Secured(f"127.0.0.1:{running.gateway.server.port}", credentials, Authority(tmp_path, "other"))


def lacking(secured: Secured) -> list[tuple[Credentials, type[TandemRpcError], str]]:
    """Return credentials of which one is missing or not known, and the error that this is."""
    good, stranger = secured.credentials, secured.other.issue("stranger")
    wrong_ca = "shows a certificate that is out of date, or not signed by the trusted CA"
    no_certificate, no_key = "or a client's certificate that it trusts", "an API key is needed"
    return [
        (Credentials(api_key=SECRET), HandshakeFailed, "closed the connection at once: it may require TLS"),
        (replace(good, ca=secured.other.ca), HandshakeFailed, wrong_ca),
        (replace(good, cert=None, key=None), HandshakeFailed, no_certificate),
        (replace(good, cert=stranger.cert, key=stranger.key), HandshakeFailed, no_certificate),
        (replace(good, api_key=None), Unauthenticated, no_key),
        (replace(good, api_key="tdm_wrong"), Unauthenticated, no_key),
    ]


async def test_synchronous_client(secured: Secured) -> None:
    def use() -> None:
        with TandemClient(secured.address, secured.credentials) as client:
            assert len(client.sample(2)) == 2
            assert list(client.sample_stream(2))
            assert list(client.generate("x"))
            assert client.list_models().parallel
        for credentials, kind, text in lacking(secured):
            with TandemClient(secured.address, credentials) as client, pytest.raises(TandemRpcError) as caught:
                client.sample(1, timeout_seconds=60)
            assert type(caught.value) is kind
            assert (text in caught.value.message, "\n" in caught.value.message) == (True, False)

    await asyncio.to_thread(use)


def variables(credentials: Credentials) -> dict[str, str]:
    named = {
        "TANDEM_CLIENT_CA": credentials.ca,
        "TANDEM_CLIENT_CERT": credentials.cert,
        "TANDEM_CLIENT_KEY": credentials.key,
        "TANDEM_API_KEY": credentials.api_key,
    }
    return {name: str(value) for name, value in named.items() if value is not None}


async def test_commands_take_it_from_the_environment_and_say_in_a_line_what_is_missing(
    secured: Secured, tmp_path: Path
) -> None:
    async def command(credentials: Credentials, *words: str) -> Ended:
        words = (*words, "--address", secured.address)
        return await run(*tandem(*words), folder=tmp_path, variables=variables(credentials))

    bench = ("bench", "run", "--concurrency", "2", "--requests", "20", "--warm-up", "0")
    for words in (("generate", "x"), ("sample", "--count", "2"), bench):
        ended = await command(secured.credentials, *words)
        # A busy machine makes the sender in Python late, which says nothing of credentials.
        if "INVALID: the load generator was not good enough" not in ended.err:
            assert (ended.code, "error" in ended.err) == (0, False), ended.err
        assert SECRET not in ended.out + ended.err
    ended = await command(replace(secured.credentials, api_key=None), "sample")
    missing = f"error: {secured.address} requires a valid API key; set TANDEM_API_KEY to one\n"
    assert (ended.code, ended.err) == (1, missing)
