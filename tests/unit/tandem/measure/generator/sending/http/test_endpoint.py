"""Where an HTTP server is."""

import pytest

from tandem.client.credentials import Credentials
from tandem.measure.generator.sending.http.endpoint import Endpoint
from tandem.shared.errors import ExpectedError


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("localhost:8000", "http://localhost:8000/v1/models"),
        ("http://[::1]:8000/", "http://[::1]:8000/v1/models"),
        ("https://example.org", "https://example.org/v1/models"),
        ("http://example.org/api/v3/", "http://example.org/api/v3/models"),
    ],
)
def test_an_address_is_a_host_and_a_port_or_a_url(address: str, url: str) -> None:
    assert Endpoint.of(address).url("models") == url


@pytest.mark.parametrize(
    "address",
    ["ftp://a:1", "http://", "http://a:b", "http://a:99999", "http://a/?q=1", "http://u:p@a", "a b:1", "a\r\n:1"],
)
def test_anything_else_is_refused(address: str) -> None:
    with pytest.raises(ExpectedError, match="address"):
        Endpoint.of(address)


def test_a_head_shows_the_key_and_ends_before_the_body_s_size() -> None:
    head = Endpoint.of("localhost:80").head("completions", Credentials(api_key="secret"))
    assert head.startswith(b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\n")
    assert b"authorization: Bearer secret\r\n" in head
    assert head.endswith(b"content-length: ")
