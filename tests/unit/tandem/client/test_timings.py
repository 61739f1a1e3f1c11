"""The gateway's trailers."""

import pytest

from tandem.client.timings import GatewayTimings, gateway_timings


def test_both_figures_are_read() -> None:
    trailers = [("x", b"y"), ("tandem-gateway-seconds", "0.001"), ("tandem-total-seconds", "0.5")]
    assert gateway_timings(trailers) == GatewayTimings(0.001, 0.5)


@pytest.mark.parametrize(
    "trailers",
    [None, [], [("tandem-gateway-seconds", "0.1")], [("tandem-gateway-seconds", "x"), ("tandem-total-seconds", "1")]],
)
def test_a_backend_without_a_gateway_has_none(trailers: list[tuple[str, str | bytes]] | None) -> None:
    assert gateway_timings(trailers) is None
