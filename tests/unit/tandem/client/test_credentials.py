"""What a client shows, out of the environment or given; what it does not show by accident."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from tandem.client.credentials import Credentials, channel_options, open_async_channel

VARIABLES = ("TANDEM_CLIENT_CA", "TANDEM_CLIENT_CERT", "TANDEM_CLIENT_KEY", "TANDEM_API_KEY")


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_nothing_is_a_connection_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    for empty in (False, True):
        if empty:
            for name in VARIABLES:
                monkeypatch.setenv(name, "")
        credentials = Credentials.from_environment()
        assert credentials == Credentials()
        assert credentials.of_channel() is None
        assert credentials.metadata is None


def test_the_environment_says_all(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(VARIABLES, ("ca.pem", "c.pem", "k.pem", "tdm_x\n"), strict=True):
        monkeypatch.setenv(name, value)
    credentials = Credentials.from_environment()
    assert credentials == Credentials("ca.pem", "c.pem", "k.pem", "tdm_x")
    assert credentials.metadata == (("authorization", "Bearer tdm_x"),)


@pytest.mark.parametrize("key", ["", "tdm_x\ny", "ключ"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ValueError, match=r"api_key \(TANDEM_API_KEY\) is not accepted") as caught:
        Credentials(api_key=key)
    assert not key or key not in str(caught.value)


def test_halves_and_files_that_cannot_be_used_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello")
    for files, words in (
        ({"ca": "ca.pem", "cert": "c.pem"}, "TANDEM_CLIENT_KEY"),
        ({"cert": "c.pem", "key": "k.pem"}, r"ca \(TANDEM_CLIENT_CA\) is missing"),
        ({"ca": tmp_path / "nothing"}, r"TANDEM_CLIENT_CA: .*nothing: no such file or directory"),
        ({"ca": tmp_path / "x"}, r"TANDEM_CLIENT_CA: .*: this is not a PEM file"),
    ):
        with pytest.raises(ValueError, match=words):
            Credentials(**files).of_channel()


@pytest.mark.parametrize(
    ("address", "is_loopback"),
    [("127.0.0.1:50050", True), ("localhost:1", True), ("[::1]:1", True), ("gateway.example:50050", False)],
)
def test_no_proxy_on_loopback(address: str, is_loopback: bool) -> None:
    assert (("grpc.enable_http_proxy", 0) in channel_options(address)) is is_loopback


async def test_each_channel_has_a_connection_of_its_own() -> None:
    peers = []

    async def note(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        peers.append(context.peer())
        return b""

    server = grpc.aio.server()
    methods = {"Method": grpc.unary_unary_rpc_method_handler(note)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Service", methods),))
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    async with open_async_channel(address, Credentials()) as one, open_async_channel(address, Credentials()) as other:
        for channel in (one, other, one):
            await channel.unary_unary("/test.Service/Method")(b"")
    await server.stop(None)
    assert peers[0] == peers[2] != peers[1]
