import runtime.deadlines
from runtime.deadlines import Deadline


def at(monkeypatch, seconds: float) -> None:
    monkeypatch.setattr(runtime.deadlines.time, "monotonic", lambda: seconds)


def test_a_deadline_is_one_instant(monkeypatch):
    at(monkeypatch, 100.0)
    deadline = Deadline.after(2.0)
    at(monkeypatch, 101.5)
    assert (deadline.remaining_seconds(), deadline.has_passed()) == (0.5, False)
    at(monkeypatch, 103.0)
    assert (deadline.remaining_seconds(), deadline.has_passed()) == (0.0, True)


def test_a_reset_a_moment_early_is_the_deadline_s(monkeypatch):
    at(monkeypatch, 100.0)
    deadline = Deadline.after(1.0)
    at(monkeypatch, 100.9)
    assert not deadline.explains_cancellation()
    at(monkeypatch, 100.98)
    assert deadline.explains_cancellation()
