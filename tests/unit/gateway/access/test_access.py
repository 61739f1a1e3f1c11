"""Who is let in, what is counted of those who are not, and whose budget a charge is taken from."""

from __future__ import annotations

import hashlib

import pytest

from gateway.access.access import Access
from gateway.access.api_keys import ApiKey
from gateway.access.door import Door
from runtime.errors import OverBudget, Unauthenticated
from runtime.routes import Route, all_routes

ROUTES: dict[str, Route] = {route.rpc: route for route in all_routes()}
SAMPLE, GENERATE = ROUTES["Sample"], ROUTES["Generate"]


class Refused(list[tuple[str, str]]):
    def over_budget(self, paradigm: str, budget: str) -> None:
        self.append((paradigm, budget))


def key(name: str, **budgets: int) -> ApiKey:
    return ApiKey(name=name, sha256=hashlib.sha256(name.encode()).hexdigest(), **budgets)


@pytest.fixture
def refused() -> Refused:
    return Refused()


def test_without_keys_everybody_is_the_same_caller_and_owes_nothing(refused: Refused) -> None:
    access = Access([])
    door = Door(access, refused)
    caller = door.admit(SAMPLE, None)
    assert (caller.identifier, access.asks_for_keys) == ("", False)
    assert door.admit(SAMPLE, "anything") is caller
    access.charge("", SAMPLE, 10**9, 0)
    door.admit(SAMPLE, None)


@pytest.mark.parametrize("secret", [None, "", "wrong", "Alice"])
def test_with_keys_nobody_else_gets_in(refused: Refused, secret: str | None) -> None:
    access = Access([key("alice")])
    door = Door(access, refused)
    with pytest.raises(Unauthenticated):
        door.admit(SAMPLE, secret)
    with pytest.raises(Unauthenticated):
        access.identify(secret)
    assert refused == []


def test_a_caller_is_told_apart_by_an_identifier_that_is_not_the_key() -> None:
    access = Access([key("alice"), key("bob")])
    alice, bob = access.identify("alice"), access.identify("bob")
    assert (alice.name, bob.name) == ("alice", "bob")
    assert alice.identifier == key("alice").caller_id() != bob.identifier


def test_a_charge_is_taken_from_the_budget_of_its_caller(refused: Refused) -> None:
    access = Access([key("alice", images_per_minute=10), key("bob", images_per_minute=10)], lambda: 0.0)
    door = Door(access, refused)
    access.charge(key("alice").caller_id(), SAMPLE, 11, 0)
    access.charge("somebody-whose-key-is-gone", SAMPLE, 11, 0)
    with pytest.raises(OverBudget, match="10 images a minute is used up; retry in 6 s"):
        door.admit(SAMPLE, "alice")
    door.admit(SAMPLE, "bob")
    assert refused == [("parallel", "image")]


def test_pictures_made_of_tokens_are_charged_as_images_beside_their_tokens(refused: Refused) -> None:
    limits = {"images_per_minute": 60, "tokens_per_minute": 600}
    access = Access([key("alice", **limits)], lambda: 0.0)
    door = Door(access, refused)
    access.charge(key("alice").caller_id(), GENERATE, 600, 61)
    with pytest.raises(OverBudget, match="60 images a minute is used up; retry in 1 s"):
        door.admit(GENERATE, "alice")
    access.charge(key("alice").caller_id(), GENERATE, 10, 0)
    with pytest.raises(OverBudget, match="600 tokens a minute"):
        door.admit(GENERATE, "alice")


def test_requests_are_taken_at_the_door(refused: Refused) -> None:
    access = Access([key("alice", requests_per_minute=2)], lambda: 0.0)
    door = Door(access, refused)
    for _ in range(2):
        door.admit(SAMPLE, "alice")
    with pytest.raises(OverBudget):
        door.admit(SAMPLE, "alice")
    assert refused == [("parallel", "request")]
