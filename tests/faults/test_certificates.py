"""Callers with wrong certificates, at a gateway with mutual TLS."""

import asyncio
import ssl
import time
from pathlib import Path

from tests.certificates import Authority
from tests.effort import Effort
from tests.faults.attacks.connection import connected
from tests.faults.attacks.grpc_stream import begin
from tests.faults.clients import SAMPLE, images
from tests.faults.product import Product, own_gateway
from tests.faults.report import Sheet

LIMIT_SECONDS = 10.0
GOOD_MESSAGE = images(1).SerializeToString()


async def test_wrong_certificates_are_refused(product: Product, tmp_path: Path, effort: Effort, sheet: Sheet) -> None:
    """Mutual TLS: callers without a certificate and with another CA's, many handshakes; good ones between."""
    count, let_in = effort.of(20, 200), 0
    authority, other = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    identity = authority.server(mutual=True).identity
    words = ("--tls-cert", str(identity.cert), "--tls-key", str(identity.key), "--tls-client-ca", str(authority.ca))
    own, good = (
        own_gateway(tmp_path, [product.sequential], [product.parallel], *words),
        _context(authority.ca, authority),
    )
    own.start()
    try:
        await _until_answered(own.server.address, good)
        for context in (_context(authority.ca), _context(authority.ca, other)):
            for _ in range(count):
                let_in += await _is_answered(own.server.address, context)
            await _until_answered(own.server.address, good)
    finally:
        own.end()
    sheet.expect_none("wrong certificates let in", let_in, f"of {2 * count} callers")


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


def _context(ca: Path, signer: Authority | None = None) -> ssl.SSLContext:
    """Return the TLS of a caller without a certificate, or with one that `signer` signed."""
    context = ssl.create_default_context(cafile=str(ca))
    context.set_alpn_protocols(["h2"])
    if signer is not None:
        identity = signer.issue("caller")
        context.load_cert_chain(identity.cert, identity.key)
    return context
