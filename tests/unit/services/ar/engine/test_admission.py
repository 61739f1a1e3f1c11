import math
import time
from types import SimpleNamespace

import pytest

from runtime.deadlines import Deadline
from runtime.rpc.metadata import Owner
from services.ar.engine.admission import Admission, AdmissionLimits, Run
from services.ar.loading import admission_limits
from services.ar.settings import ArSettings
from tandem.shared.errors import EndsTooLate, ResourceExhausted, WaitTooLong

NEVER = Deadline.after(None)


def admission(max_open: int = 100, max_open_of_caller: int = 100, max_wait_seconds: float = 60.0) -> Admission:
    return Admission(AdmissionLimits(4, max_open, max_open_of_caller, max_wait_seconds))


def run(seconds: float, num_running: int = 8) -> Run:
    return Run(seconds, 10, num_running)


def with_open(counts: dict[str, int], running_seconds: float = 2.0, **limits: float) -> Admission:
    found = admission(**limits)
    found.opened("first")
    found.ended("first", run(running_seconds))
    for caller, count in counts.items():
        for _ in range(count):
            found.opened(caller)
    return found


def test_the_queue_is_bounded_as_a_whole_and_for_each_caller():
    found = with_open({"a": 5, "b": 3}, max_open=10, max_open_of_caller=6)
    found.check("a", 1, NEVER)
    with pytest.raises(ResourceExhausted, match="a caller's part"):
        found.check("a", 2, NEVER)
    with pytest.raises(ResourceExhausted, match=r"the engine's queue is full \(limit 10\)"):
        found.check("b", 3, NEVER)


@pytest.mark.parametrize(
    ("counts", "caller", "seconds"),
    [
        ({}, "a", 0.0),
        ({"a": 3}, "a", 0.0),
        ({"a": 4}, "a", 0.5),  # a place comes free every 2 s / 4
        ({"a": 11}, "a", 4.0),
        ({"hog": 50}, "a", 0.0),  # whose share is taken back from the hog
        ({"hog": 50, "a": 2}, "a", 1.0),
        ({"a": 1, "b": 1, "c": 1, "d": 1}, "e", 0.5),
    ],
)
def test_the_wait_is_that_of_a_caller_whose_turn_comes(counts, caller, seconds):
    assert with_open(counts).wait_seconds(caller) == pytest.approx(seconds)


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stops the clock that deadlines read."""
    now = time.monotonic()
    monkeypatch.setattr("runtime.deadlines.time", SimpleNamespace(monotonic=lambda: now))


@pytest.mark.usefixtures("still")
def test_what_would_begin_too_late_is_refused_with_the_time_to_come_back():
    found = with_open({"a": 8}, max_wait_seconds=3.0)
    assert found.latest_start("a", 1, Deadline(100.0)) == 98.0
    assert with_open({"a": 3}).latest_start("a", 1, Deadline(100.0)) == 100.0, "it runs at once"
    found.check("a", 1, NEVER)
    found.check("a", 1, Deadline.after(6.0))
    # It waits 2.5 s and then runs for 2 s, or both a quarter longer.
    with pytest.raises(WaitTooLong, match=r"the 0\.875 s that its deadline leaves beside the work itself") as refusal:
        found.check("a", 1, Deadline.after(4.0))
    assert refusal.value.retry_after_seconds == pytest.approx(1.625)
    with pytest.raises(WaitTooLong, match="longer than the 3 s that the server lets anybody wait; retry in 1 s"):
        found.check("a", 4, NEVER)


@pytest.mark.usefixtures("still")
def test_what_could_not_end_in_time_beside_what_runs_is_refused():
    """Others took 2 s for ten tokens, 16 at a time."""
    found = Admission(AdmissionLimits(64, 100, 100, 60.0))
    found.opened("a")
    found.ended("a", run(2.0, num_running=16))
    found.check("a", 1, Deadline.after(0.1))  # alone it may be short
    found.opened("a", 31)
    found.check("a", 1, Deadline.after(5.0))
    with pytest.raises(EndsTooLate, match=r"would take about 4 s beside others, .* leaves 4\.9 s; retry in") as refusal:
        found.check("a", 1, Deadline.after(4.9))
    assert refusal.value.retry_after_seconds == pytest.approx(0.1)
    assert refusal.value.capacity_left is None, "a shorter one may be taken"
    found.check("a", 1, Deadline.after(4.9), max_tokens=9)
    found.check("a", 1, Deadline.after(0.1), max_tokens=0)
    found.check("a", 1, NEVER)
    found.check("b", 1, Deadline.after(1.25))  # one of the others runs beside it: few, which are as fast as eight
    with pytest.raises(EndsTooLate):
        found.check("b", 1, Deadline.after(1.2))


def test_what_left_in_the_middle_tells_only_that_it_ran_as_long():
    found = with_open({"a": 4})
    found.opened("b")
    found.ended("b", run(1.0), is_whole=False)
    assert found.wait_seconds("a") == pytest.approx(0.5)
    found.opened("b")
    found.ended("b", run(4.0), is_whole=False)
    assert found.wait_seconds("a") == pytest.approx(0.5 * 1.1)


def test_places_are_those_that_are_taken_while_others_wait():
    found = Admission(AdmissionLimits(64, 100, 100, 60.0))
    found.counts.add("a", 40)
    for others_wait, wait in ((True, 21 / 20), (False, 0.0)):
        for _ in range(100):
            found.opened("b")
            found.ended("b", run(1.0, num_running=20), others_wait=others_wait)
        assert found.wait_seconds("a") == pytest.approx(wait, rel=0.01)


def test_the_mean_follows_what_ends():
    found = with_open({"a": 4}, running_seconds=1.0)
    for _ in range(100):
        found.opened("b")
        found.ended("b", run(5.0))
    found.opened("b")
    found.ended("b", None)
    assert found.wait_seconds("a") == pytest.approx(5.0 / 4, rel=0.01)
    assert found.counts.total == 4


@pytest.mark.parametrize(
    ("num_running", "num_queued", "share", "most"),
    [(64, 256, 0.75, 240), (64, 256, 1.0, 320), (64, 0, 0.75, 64), (1, 1, 0.01, 1)],
)
def test_a_lone_caller_may_use_every_place_to_run_and_its_share_of_the_queue(num_running, num_queued, share, most):
    settings = ArSettings(
        max_num_sequences=num_running, max_queued_sequences=num_queued, max_caller_share=share, max_wait_seconds=7.0
    )
    expected = AdmissionLimits(num_running, num_running + num_queued, most, 7.0)
    assert admission_limits(settings) == expected


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("seconds", [7.0, 11.0, 20.0])
def test_as_many_as_there_is_room_for_are_taken_and_no_more(seconds):
    found = with_open({"a": 8})
    deadline = Deadline.after(seconds)
    for _ in range(found.capacity_left("a", seconds)):
        found.check("a", 1, deadline)
        found.opened("a")
    found.opened("a")  # the one on the edge may be taken or not
    with pytest.raises(WaitTooLong) as refusal:
        found.check("a", 1, deadline)
    assert refusal.value.capacity_left is not None
    assert refusal.value.capacity_left() == 0
    for _ in range(3):
        found.ended("a", run(2.0))
    assert refusal.value.capacity_left() in (1, 2)


def test_a_new_connection_of_a_caller_has_room_beyond_its_share_and_waits_for_its_turn_only():
    found = admission(max_open=20, max_open_of_caller=12)
    found.opened(Owner("a", "a:1"))
    found.ended(Owner("a", "a:1"), run(2.0))
    for _ in range(12):
        found.opened(Owner("a", "a:1"))
    assert [found.counts.capacity_left(Owner("a", connection)) for connection in ("a:1", "a:2")] == [0, 4]
    assert found.wait_seconds(Owner("a", "a:1")) == 4.5
    assert found.wait_seconds(Owner("a", "a:2")) == 0.0  # four run at a time, and one of the others comes first
    found.opened(Owner("a", "a:2"))
    found.ended(Owner("a", "a:2"), run(2.0))
    assert found.capacity_left(Owner("a", "a:1"), math.inf) == 0
