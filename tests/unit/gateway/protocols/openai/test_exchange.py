"""Errors in OpenAI's shape."""

import pytest

from gateway.protocols.openai.exchange import openai_body, openai_headers
from tandem.shared.errors import (
    DeadlineExceeded,
    Internal,
    InvalidArgument,
    MessageTooLarge,
    NotFound,
    OverBudget,
    ResourceExhausted,
    TandemError,
    Unauthenticated,
    Unavailable,
)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (InvalidArgument("a", 1, "2"), "invalid_request_error", None),
        (NotFound("x", []), "not_found_error", "model_not_found"),
        (Unauthenticated(), "authentication_error", "invalid_api_key"),
        (ResourceExhausted("a queue", 1, 0.5), "rate_limit_error", "rate_limit_exceeded"),
        (OverBudget("token", 1, 0.5), "rate_limit_error", "rate_limit_exceeded"),
        (MessageTooLarge(2, 1), "invalid_request_error", "request_too_large"),
        (DeadlineExceeded("then"), "timeout_error", "deadline_exceeded"),
        (Unavailable("gone"), "service_unavailable_error", "service_unavailable"),
        (Internal(), "server_error", None),
    ],
)
def test_every_error_has_its_type_and_code(error: TandemError, kind: str, code: str | None) -> None:
    told = openai_body(error)["error"]
    assert (told["message"], told["type"], told["code"]) == (str(error), kind, code)


def test_a_delay_is_told_in_seconds_and_milliseconds_and_only_what_may_pass_is_tried_again() -> None:
    headers = openai_headers(ResourceExhausted("a queue", 1, 1.25))
    assert (headers["retry-after"], headers["retry-after-ms"], headers["x-should-retry"]) == ("2", "1250", "true")
    assert openai_headers(Unavailable("gone"))["x-should-retry"] == "true"
    for error in (InvalidArgument("a", 1, "2"), DeadlineExceeded("then"), MessageTooLarge(2, 1), Internal()):
        assert openai_headers(error) == {"x-should-retry": "false"}
