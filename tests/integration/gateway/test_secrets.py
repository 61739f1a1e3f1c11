"""Secrets stay where they are: nothing that a gateway writes or tells has a key, its hash, or a private key in it."""

from __future__ import annotations

import asyncio
import hashlib
import signal
import ssl
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import grpc
import httpx

from benchmarks.harness.processes import free_port
from runtime.rpc.routes import PARALLEL
from runtime.tls import Identity
from tests.certificates import Authority
from tests.integration.gateway.callers import SECRET, keys_file
from tests.integration.gateway.fakes import SAMPLE, FakeBackend, FakeParallel

WRONG = "tdm_a-key-with-a-typing-error"
ALICE = (("authorization", f"Bearer {SECRET}"),)


def secrets_of(*identities: Identity) -> set[str]:
    """Return keys, hashes, and the lines of private keys."""
    lines = {line for each in identities for line in each.key.read_text().splitlines() if not line.startswith("---")}
    digests = {hashlib.sha256(secret.encode()).hexdigest() for secret in (SECRET, WRONG, "tdm_other")}
    return {SECRET, WRONG, *digests, *lines}


async def use(port: int, http_port: int, ca: Path, credentials: grpc.ChannelCredentials) -> str:
    """Do all that a key is shown for, well and badly; return what was told."""
    told = ""
    async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials) as channel:
        await channel.unary_unary(SAMPLE)(b"", metadata=ALICE, wait_for_ready=True)
        for metadata, request in ((None, b""), ((("authorization", f"Bearer {WRONG}"),), b""), (ALICE, b"\xff")):
            try:
                await channel.unary_unary(SAMPLE)(request, metadata=metadata)
            except grpc.aio.AioRpcError as error:
                told += f"{error.details()} {error.trailing_metadata()}"
    context = ssl.create_default_context(cafile=str(ca))
    async with httpx.AsyncClient(verify=context, base_url=f"https://127.0.0.1:{http_port}", timeout=60) as client:
        for secret in (SECRET, WRONG):
            headers = {"authorization": f"Bearer {secret}"}
            told += (await client.post(SAMPLE, json={}, headers=headers)).text
            told += (await client.post(SAMPLE, content=b"{", headers=headers)).text
            for path in ("/status", "/history", "/metrics", "/readyz", f"/nothing?key={secret}"):
                answer = await client.get(path, headers=headers)
                told += f"{answer.headers} {answer.text}"
    return told


async def test_no_secret_in_logs_metrics_or_answers(tmp_path: Path) -> None:
    ours = Authority(tmp_path, "ours")
    server, shown = ours.server(), ours.issue("gateway")
    gan = FakeBackend(PARALLEL, FakeParallel(), ours.server("localhost", mutual=True))
    await gan.start()
    port, http_port = free_port(), free_port()
    flags = {
        "--port": port,
        "--http-port": http_port,
        "--ar-targets": "",
        "--gan-targets": f"localhost:{gan.port}",
        "--tls-cert": server.identity.cert,
        "--tls-key": server.identity.key,
        "--api-keys-file": keys_file(tmp_path, requests=50),
        "--backend-ca": ours.ca,
        "--backend-cert": shown.cert,
        "--backend-key": shown.key,
        "--log-level": "DEBUG",
    }
    words = [str(word) for flag in flags.items() for word in flag]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "gateway", *words, stdout=PIPE, stderr=STDOUT)
    assert process.stdout is not None
    log = b""
    try:
        async with asyncio.timeout(60):
            while b"is serving" not in log:
                line = await process.stdout.readline()
                assert line, log
                log += line
            told = await use(port, http_port, ours.ca, ours.client().grpc_credentials())
    finally:
        process.send_signal(signal.SIGTERM)
        rest, _ = await process.communicate()
        await gan.stop()
    log += rest
    for secret in secrets_of(server.identity, shown, gan._tls.identity):
        assert secret not in log.decode()
        assert secret not in told
    # The test would see them if they were there: the callers are, by name.
    assert b"GanService/Sample by alice" in log
    assert b"GanService/Sample by an unknown caller" in log
    assert "tandem_requests_total" in told


async def test_no_secret_in_the_words_of_a_gateway_that_does_not_start(tmp_path: Path) -> None:
    """A key pasted where its hash belongs, or on the command line, is not repeated."""
    keys = tmp_path / "keys.toml"
    keys.write_text(f'[[keys]]\nname = "a"\nsha256 = "{SECRET}"\n')
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "--api-keys-file", str(keys)), stdout=PIPE, stderr=STDOUT
    )
    out, _ = await process.communicate()
    assert process.returncode == 2
    assert b"keys[0].sha256: accepted: 64 hexadecimal digits" in out
    assert SECRET.encode() not in out
