"""The client's clock, on a clock that the test sets."""

import pytest

from tandem.cli.use import stopwatch
from tandem.cli.use.stopwatch import Stopwatch


class FakeTime:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(stopwatch, "time", fake)
    return fake


def test_rates_count_tokens_after_the_first_message(time: FakeTime) -> None:
    watch = Stopwatch()
    for now, count in ((101.0, 0), (102.0, 3), (103.0, 1), (104.0, 5), (109.0, 0)):
        time.now = now
        watch.tokens(count)
    assert watch.first_output_seconds == 2.0
    assert watch.tokens_per_second == 3.0
    assert watch.num_tokens == 9
    assert watch.total_seconds() == 9.0
