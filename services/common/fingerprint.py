"""The short name of what makes outputs: one fingerprint, one result for each request and seed. Knows no runtime."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

_DIGITS = 12


def fingerprint(runtime: str, precision: str, causes: Mapping[str, object]) -> str:
    """Return a name such as "openvino-bfloat16-0f6cb2a91d3e".

    `causes` is whatever else outputs depend on to the last bit, as values that JSON can hold; the order does not count.
    """
    text = json.dumps({"runtime": runtime, "precision": precision, **causes}, sort_keys=True)
    return f"{runtime}-{precision}-{hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]}"
