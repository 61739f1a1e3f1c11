import struct
from pathlib import Path

import pytest

from gateway.figures.log_entry import times_of
from gateway.proxy.sent_times import SentTimes
from tests.unit.gateway.figures.entries import START, entry, left

PLACES = 1 << 19
NUMBER = 3 * PLACES + 5
NOTED = 5
"""The place of NUMBER in the ring."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "sent_times"
    SentTimes.make(made)
    return made


def note(path: Path, number: int, seconds: float) -> None:
    with path.open("r+b") as file:
        file.seek(NOTED * 16)
        file.write(struct.pack("=Qq", number, START + round(seconds * 1e9)))


@pytest.mark.parametrize(
    ("number", "seconds", "ends"),
    [
        (NUMBER, 0.15, 0.15),
        (NUMBER, 1.5, 1.5),
        (NUMBER - PLACES, 0.15, 0.112),  # an older entry's; this reply is still in Envoy's buffer
        (NUMBER, 0.1, 0.112),
    ],
)
def test_a_reply_ends_when_it_was_sent(path: Path, number: int, seconds: float, ends: float) -> None:
    note(path, number, seconds)
    raw = entry(sockets=(-0.001, 0.1), number=NUMBER)
    SentTimes(path).put_into(raw)
    times = times_of(raw)
    assert (times.last_downstream, times.total) == pytest.approx((ends + 0.001, ends + 0.001))


def test_what_was_not_sent_stays_so(path: Path) -> None:
    note(path, NUMBER, 0.15)
    for raw in (left(sockets=(-0.001, 0.0), number=NUMBER), entry()):
        before = raw.SerializeToString()
        SentTimes(path).put_into(raw)
        assert raw.SerializeToString() == before
