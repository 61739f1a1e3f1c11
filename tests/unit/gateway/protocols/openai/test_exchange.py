"""Errors in OpenAI's shape."""

from gateway.protocols.openai.exchange import openai_headers
from tandem.shared.errors import (
    DeadlineExceeded,
    Internal,
    InvalidArgument,
    MessageTooLarge,
    ResourceExhausted,
    Unavailable,
)


def test_a_delay_is_told_in_seconds_and_milliseconds_and_only_what_may_pass_is_tried_again() -> None:
    headers = openai_headers(ResourceExhausted("a queue", 1, 1.25))
    assert (headers["retry-after"], headers["retry-after-ms"], headers["x-should-retry"]) == ("2", "1250", "true")
    assert openai_headers(Unavailable("gone"))["x-should-retry"] == "true"
    for error in (InvalidArgument("a", 1, "2"), DeadlineExceeded("then"), MessageTooLarge(2, 1), Internal()):
        assert openai_headers(error) == {"x-should-retry": "false"}
