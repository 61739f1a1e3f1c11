"""Wrong API keys and wrong certificates, as a caller shows them."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from tests.certificates import Authority
from tests.faults.attacks.connection import Header

MAX_METADATA_BYTES = 7_000  # gRPC takes 8 KiB in all


def wrong_keys(key: str) -> Mapping[str, list[Header]]:
    """Return the metadata that each kind of wrong caller sends; `key` is a good one."""
    good = f"Bearer {key}"
    other = good[:-1] + ("a" if good[-1] != "a" else "b")
    return {
        "missing": [],
        "empty": [("authorization", "")],
        "wrong": [("authorization", other)],
        "too short": [("authorization", good[:-1])],
        "too long": [("authorization", good + "x")],
        "without a scheme": [("authorization", key)],
        "another scheme": [("authorization", f"Basic {key}")],
        "doubled": [("authorization", good), ("authorization", good)],
        "good and wrong": [("authorization", good), ("authorization", other)],
        "very long": [("authorization", f"Bearer {'k' * MAX_METADATA_BYTES}")],
        "many": [("authorization", other)] * 60,
        "not ASCII": [("authorization", "Bearer \u043a\u043b\u044e\u0447")],
        "in another place": [("x-api-key", key)],
        "binary": [("authorization-bin", "AAAA")],
    }


def strangers(authority: Authority, other: Authority) -> Mapping[str, ssl.SSLContext]:
    """Return the TLS of callers without a certificate and with one that another CA signed."""
    return {"no certificate": _context(authority.ca), "another CA": _context(authority.ca, other)}


def friend(authority: Authority) -> ssl.SSLContext:
    """Return the TLS of a caller with a good certificate."""
    return _context(authority.ca, authority)


def _context(ca: Path, signer: Authority | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ca))
    context.set_alpn_protocols(["h2"])
    if signer is not None:
        identity = signer.issue("caller")
        context.load_cert_chain(identity.cert, identity.key)
    return context
