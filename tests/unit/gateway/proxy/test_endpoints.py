import pytest

from gateway.proxy.endpoints import Endpoint


@pytest.mark.parametrize(
    ("target", "endpoint", "is_address"),
    [
        ("127.0.0.1:1", Endpoint("127.0.0.1", 1), True),
        ("[::1]:2", Endpoint("::1", 2), True),
        ("ar:50051", Endpoint("ar", 50051), False),
        ("ar.some-namespace.svc.cluster.local:3", Endpoint("ar.some-namespace.svc.cluster.local", 3), False),
    ],
)
def test_a_target_is_taken_apart(target: str, endpoint: Endpoint, is_address: bool) -> None:
    assert Endpoint.parse(target) == endpoint
    assert endpoint.is_address is is_address
