"""Requests are handed over ahead of time: all of them, once, and not too many at once."""

from __future__ import annotations

import numpy as np

from tandem.measure.generator.requests.feeder import BLOCK_REQUESTS, MAX_AHEAD_BYTES, MAX_AHEAD_REQUESTS, Feeder
from tandem.measure.generator.schedule.request_sequence import RequestSpec


class Taker:
    """Keeps what it is fed, as a sender does."""

    def __init__(self):
        self.blocks = []
        self.is_fed = False

    def feed(self, specs, messages, is_last):
        self.blocks.append((specs.copy(), messages))
        self.is_fed = is_last

    @property
    def numbers(self):
        return [int(number) for specs, _ in self.blocks for number in specs["number"]]


def spec_of(number):
    return RequestSpec(number, 0, number % 5, (), 0.0, 0, 0.5 if number % 2 else None)


def feeder(make=lambda spec: b"%d" % spec.number, **settings):
    usual = {"numbers": range(2**62), "intended": None}
    return Feeder(spec_of, [make], **(usual | settings))


def fill(feeding, taker, num_taken=0):
    while feeding.feed(taker, num_taken):
        pass


def test_an_open_loop_hands_over_all_with_their_times():
    numbers = range(3, 1000, 7)
    feeding, taker = feeder(numbers=numbers, intended=np.array(numbers) * 0.1), Taker()
    fill(feeding, taker)
    assert taker.is_fed
    assert feeding.has_all
    assert taker.numbers == list(numbers)
    for specs, messages in taker.blocks:
        np.testing.assert_allclose(specs["intended"], specs["number"] * 0.1)
        for spec in specs:
            begin, end = spec["begin"], spec["begin"] + spec["size"]
            assert messages[begin:end] == b"\0" + int(end - begin - 5).to_bytes(4, "big") + b"%d" % spec["number"]
            assert spec["cancel_after"] == (0.5 if spec["number"] % 2 else np.inf)
            assert spec["length"] == spec["number"] % 5


def test_no_more_are_ahead_than_need_be():
    numbers = range(5 * MAX_AHEAD_REQUESTS)
    feeding, taker = feeder(numbers=numbers, intended=np.array(numbers) * 1.0), Taker()
    fill(feeding, taker)
    assert MAX_AHEAD_REQUESTS <= feeding.num_fed < MAX_AHEAD_REQUESTS + BLOCK_REQUESTS
    fill(feeding, taker, 1000)
    assert MAX_AHEAD_REQUESTS + 1000 <= feeding.num_fed < MAX_AHEAD_REQUESTS + 1000 + BLOCK_REQUESTS
    assert not taker.is_fed


def test_large_requests_are_bounded_by_their_bytes():
    size = MAX_AHEAD_BYTES // 400
    feeding, taker = feeder(lambda spec: bytes(size), numbers=range(2000), intended=np.zeros(2000)), Taker()
    fill(feeding, taker)
    assert 400 <= feeding.num_fed <= 400 + BLOCK_REQUESTS
    before = feeding.num_fed
    fill(feeding, taker, BLOCK_REQUESTS)
    assert feeding.num_fed == before + BLOCK_REQUESTS
