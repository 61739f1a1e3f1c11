"""What every chunk of a reply says again."""

from __future__ import annotations

import time
import uuid
from typing import TypedDict

from gateway.protocols.openai.catalogue import Catalogue, Served


class Head(TypedDict):
    """Fields of a reply; the same in all of its chunks."""

    id: str
    created: int
    model: str
    system_fingerprint: str | None


def new_head(kind: str, catalogue: Catalogue, model: Served) -> Head:
    """Return that of a new reply, whose id begins with `kind`."""
    return Head(
        id=f"{kind}-{uuid.uuid4().hex}",
        created=int(time.time()),
        model=model.name,
        system_fingerprint=catalogue.fingerprint(model),
    )


def with_fingerprints(head: Head, fingerprints: set[str]) -> Head:
    """Return the head with the fingerprint of the backends' replies; None if they differ."""
    return {**head, "system_fingerprint": fingerprints.pop() if len(fingerprints) == 1 else None}
