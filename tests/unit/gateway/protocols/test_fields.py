"""Errors that name fields, with the names of a protocol's bodies."""

import pytest

from gateway.http.errors import UpstreamError
from gateway.protocols.fields import rename_field, violation_of
from gateway.protocols.openai.exchange import openai_body
from runtime.rpc.status import status_details
from tandem.shared.errors import InvalidArgument, ReplyTooLarge, TandemError

NAMES = {"sampling.max_tokens": "max_completion_tokens", "sampling": "", "chat": "messages"}


def from_backend(error: TandemError) -> UpstreamError:
    return UpstreamError(error.code, str(error), status_details(error))


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("sampling.top_p", "top_p"),
        ("generate.sampling.top_p", "top_p"),
        ("generate.sampling.max_tokens", "max_completion_tokens"),
        ("chat", "messages"),
        ("chat[0].role", "messages[0].role"),
        ("chatter", "chatter"),
    ],
)
def test_fields_get_the_names_of_the_body(field: str, told: str) -> None:
    error = rename_field(from_backend(InvalidArgument(field, 5, "less")), NAMES)
    assert violation_of(error).field == told
    assert str(error) == f"{told}: 5 is not accepted; accepted: less"
    assert openai_body(error)["error"]["param"] == told


def test_a_reply_that_is_too_large_keeps_its_field() -> None:
    error = rename_field(from_backend(ReplyTooLarge("sampling.n", 1, "2")), NAMES)
    assert violation_of(error).field == "n"
