"""What every chunk of a reply says again."""

from __future__ import annotations

import time
import uuid
from typing import TypedDict

from gateway.doors.openai.catalogue import Catalogue, Served


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


def with_fingerprints(head: Head, told: set[str]) -> Head:
    """Return the head with what the backends have told with their replies; None if they differ."""
    return {**head, "system_fingerprint": told.pop() if len(told) == 1 else None}
