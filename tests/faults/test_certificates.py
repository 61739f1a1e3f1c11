"""Callers with wrong certificates, at a gateway with mutual TLS."""

import asyncio
import ssl
import time
from pathlib import Path

from tests.certificates import Authority
from tests.effort import Effort
from tests.faults.attacks.connection import connected
from tests.faults.attacks.credentials import friend, strangers
from tests.faults.attacks.grpc_stream import begin
from tests.faults.clients import SAMPLE, images
from tests.faults.gateways import own_gateway
from tests.faults.product import Product
from tests.faults.report import Record

LIMIT_SECONDS = 10.0
GOOD_MESSAGE = images(1).SerializeToString()


async def test_wrong_certificates_are_refused(product: Product, tmp_path: Path, effort: Effort, record: Record) -> None:
    """Mutual TLS: callers without a certificate and with another CA's, many handshakes; good ones between."""
    count = effort.of(20, 200)
    authority, other = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    tls = authority.server(mutual=True)
    own, _ = own_gateway(
        *(product, tmp_path, "--tls-cert", str(tls.identity.cert), "--tls-key", str(tls.identity.key)),
        *("--tls-client-ca", str(authority.ca)),
    )
    own.start()
    try:
        let_in = await _handshakes(own.server.address, authority, other, count)
    finally:
        own.end()
    record(row="wrong certificates let in", figure=let_in, unit=f"of {2 * count} callers", bar="0", passed=let_in == 0)


async def _handshakes(address: str, authority: Authority, other: Authority, count: int) -> int:
    """Return how many of twice `count` strangers got an answer. Raises TimeoutError if a friend gets none."""
    good, let_in = friend(authority), 0
    await _until_answered(address, good)
    for context in strangers(authority, other).values():
        for _ in range(count):
            let_in += await _is_answered(address, context)
        await _until_answered(address, good)
    return let_in


async def _is_answered(address: str, context: ssl.SSLContext) -> bool:
    try:
        async with connected(address, tls=context) as connection:
            number = await begin(connection, SAMPLE, GOOD_MESSAGE)
            return (await connection.answer(number, LIMIT_SECONDS)).status is not None
    except (OSError, TimeoutError):
        return False


async def _until_answered(address: str, context: ssl.SSLContext) -> None:
    until = time.monotonic() + 60.0
    while not await _is_answered(address, context):
        if time.monotonic() > until:
            raise TimeoutError("a good certificate gets no answer")
        await asyncio.sleep(0.1)
