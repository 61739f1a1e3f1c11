import struct
from pathlib import Path

import pytest

from gateway.figures.log_entry import times_of
from gateway.proxy.sent_times import SentTimes
from tests.unit.gateway.figures.entries import START, entry, refused

PLACES = 1 << 19
NUMBER = 3 * PLACES + 5
NOTED = 5
"""The place of NUMBER in the ring."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "sent_times"
    SentTimes.make(made)
    return made


def note(path: Path, number: int, *seconds: float) -> None:
    with path.open("r+b") as file:
        file.seek(NOTED * 24)
        file.write(struct.pack("=Qqq", number, *(START + round(each * 1e9) if each else 0 for each in seconds)))


@pytest.mark.parametrize(
    ("number", "sent", "ends"),
    [
        (NUMBER, (0.05, 0.15), (0.05, 0.15)),
        (NUMBER, (0.05, 1.5), (0.05, 1.5)),
        (NUMBER - PLACES, (0.05, 0.15), (0.011, 0.112)),  # an older entry's; this reply is still in Envoy's buffer
        (NUMBER, (0.05, 0.0), (0.05, 0.112)),
        (NUMBER, (0.005, 0.1), (0.011, 0.112)),
    ],
)
def test_a_reply_begins_and_ends_when_it_was_sent(
    path: Path, number: int, sent: tuple[float, float], ends: tuple[float, float]
) -> None:
    note(path, number, *sent)
    raw = entry(sockets=(-0.001, 0.1), number=NUMBER)
    SentTimes(path).put_into(raw)
    times = times_of(raw)
    assert (times.first_downstream, times.last_downstream) == pytest.approx([each + 0.001 for each in ends])
    assert times.total == times.last_downstream


def test_what_was_not_sent_stays_so(path: Path) -> None:
    note(path, NUMBER, 0.05, 0.15)
    for raw in (refused("8", sockets=(-0.001, 0.0), number=0), entry()):
        before = raw.SerializeToString()
        SentTimes(path).put_into(raw)
        assert raw.SerializeToString() == before
