"""Channel options."""

import pytest

from tandem.client.channels import channel_options


@pytest.mark.parametrize(
    ("address", "is_loopback"),
    [("127.0.0.1:50050", True), ("localhost:1", True), ("[::1]:1", True), ("gateway.example:50050", False)],
)
def test_no_proxy_on_loopback(address: str, is_loopback: bool) -> None:
    assert (("grpc.enable_http_proxy", 0) in channel_options(address)) is is_loopback
