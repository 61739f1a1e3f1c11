"""What becomes of an entry: counted once, under a model's name, and charged to who called."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from gateway.figures.entry import Entry
from gateway.figures.metrics import GatewayMetrics
from gateway.figures.recorder import MAX_MODELS, Recorder, Sorter
from runtime.routes import Route
from tests.unit.gateway.figures.entries import NEVER_ASKED, SAMPLE, entry, left, refused, served

IMAGES = {"outputs": 3, "first_outputs": 3}


class Ledger:
    def __init__(self) -> None:
        self.charges: list[tuple[str, str, int, int]] = []

    def charge(self, caller_id: str, route: Route, num_outputs: int, num_pictures: int) -> None:
        self.charges.append((caller_id, route.rpc, num_outputs, num_pictures))


class Late:
    """Takes what it is given, if it takes anything."""

    def __init__(self, takes: bool = True) -> None:
        self.taken: list[Entry] = []
        self._takes = takes

    def take(self, entry: Entry) -> bool:
        self.taken.append(entry)
        return self._takes


class Room:
    """A recorder with what is around it."""

    def __init__(self, takes: bool = True) -> None:
        self.registry, self.ledger, self.late = CollectorRegistry(), Ledger(), Late(takes)
        self.recorder = Recorder(GatewayMetrics(self.registry), self.ledger)
        self.sorter = Sorter(self.recorder, self.late)

    def requests(self, **labels: str) -> float:
        samples = (sample for family in self.registry.collect() for sample in family.samples)
        return sum(
            sample.value
            for sample in samples
            if sample.name == "tandem_requests_total" and labels.items() <= sample.labels.items()
        )


def test_an_entry_is_counted_under_its_model_and_charged() -> None:
    room = Room()
    room.sorter.take(entry(told=served(pictures=1), caller="alice"))
    room.sorter.take(entry(SAMPLE, told=served(**IMAGES), caller="bob"))
    room.sorter.take(entry(told=served()))
    assert room.requests(model="m", code="OK") == room.requests() == 3
    assert room.ledger.charges == [("alice", "Generate", 5, 1), ("bob", "Sample", 3, 0)]
    assert room.late.taken == []


@pytest.mark.parametrize("name", ["", "unknown"])
def test_a_call_that_no_model_served(name: str) -> None:
    room = Room()
    room.sorter.take(entry(status="3", in_headers=True, told=served(model=name, outputs=0)))
    assert room.requests(model="unknown", code="INVALID_ARGUMENT") == 1


def test_names_of_models_are_bounded_and_those_that_are_known_stay() -> None:
    room = Room()
    for number in range(2 * MAX_MODELS):
        room.sorter.take(entry(told=served(model=f"m{number}")))
    room.sorter.take(entry(told=served(model="m0")))
    assert room.requests(model="unknown") == MAX_MODELS
    assert room.requests(model="m0") == 2


@pytest.mark.parametrize(
    ("raw", "is_asked"),
    [
        (left(), True),
        (left(timeout="100m", duration=0.1), True),
        (entry(status="4", in_headers=True), True),  # the backend's own timer, which sends no trailers of ours
        (entry(told=served()), False),
        (refused("14"), False),
        (left(**NEVER_ASKED), False),
        (left(upstream=None), False),
    ],
)
def test_a_backend_is_asked_if_it_had_the_call_and_has_not_told(raw: Any, is_asked: bool) -> None:
    room = Room()
    room.sorter.take(raw)
    assert (len(room.late.taken), room.requests()) == ((1, 0) if is_asked else (0, 1))


def test_what_nobody_asks_for_is_counted_at_once() -> None:
    room = Room(takes=False)
    room.sorter.take(left())
    assert room.requests(code="CANCELLED", model="unknown") == 1


def test_methods_that_there_are_not_are_not_counted() -> None:
    room = Room()
    room.sorter.take(refused("12", path="/tandem.ar.v1.AutoregressiveService/Nothing"))
    assert room.requests() == 0


def test_an_entry_that_cannot_be_counted_is_told_and_loses_no_other(caplog: pytest.LogCaptureFixture) -> None:
    room = Room()
    room.late.take = lambda entry: 1 // 0  # type: ignore[method-assign]
    room.sorter.take(left())
    room.sorter.take(entry(told=served()))
    assert "cannot be counted" in caplog.text
    assert room.requests() == 1
