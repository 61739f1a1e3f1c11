import contextlib

import pytest

from gateway.permits import Permits
from runtime.errors import ResourceExhausted


def test_one_more_than_the_limit_is_refused_and_keeps_nothing() -> None:
    permits = Permits("sequential", 2)
    with permits.take(), permits.take():
        with pytest.raises(ResourceExhausted, match="sequential side is full \\(limit 2\\)"), permits.take():
            pass
        assert permits.in_flight == 2
    assert permits.in_flight == 0


def test_permit_returns_when_its_holder_fails() -> None:
    permits = Permits("parallel", 1)
    for _ in range(3):
        with contextlib.suppress(ValueError), permits.take():
            raise ValueError
    assert permits.in_flight == 0
