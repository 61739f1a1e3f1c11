"""Errors in the form of this API: their body, and whether a client should try again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gateway.http.errors import error_body, error_headers, http_status
from gateway.protocols.fields import field_of, violation_of
from tandem.shared.errors import PromptTooLong, TandemError

_KINDS: Mapping[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("authentication_error", "invalid_api_key"),
    403: ("permission_error", None),
    404: ("not_found_error", "model_not_found"),
    413: ("invalid_request_error", "request_too_large"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    499: ("cancelled_error", "request_cancelled"),
    501: ("invalid_request_error", "not_implemented"),
    503: ("service_unavailable_error", "service_unavailable"),
    504: ("timeout_error", "deadline_exceeded"),
}
"""Type and code by status."""
_OURS = ("server_error", None)


def openai_body(error: TandemError) -> dict[str, Any]:
    """Return {"error": {message, type, param, code}}."""
    kind, code = _KINDS.get(http_status(error), _OURS)
    if violation_of(error).reason == PromptTooLong.reason:
        code = "context_length_exceeded"
    field = field_of(error)
    param = "model" if code == "model_not_found" else field or None
    return {"error": {"message": str(error), "type": kind, "param": param, "code": code}}


def openai_headers(error: TandemError) -> dict[str, str]:
    """Return the headers that say whether, and when, to try again; official clients obey them."""
    headers = error_headers(body := error_body(error))
    delays = [float(each["retryDelay"].rstrip("s")) for each in body["error"]["details"] if "retryDelay" in each]
    if delays:
        headers["retry-after-ms"] = str(max(1, math.ceil(delays[0] * 1e3)))
    # What is full passes; a field too long, or a deadline that the client itself has set, does not.
    headers["x-should-retry"] = "true" if delays or http_status(error) == 503 else "false"
    return headers
