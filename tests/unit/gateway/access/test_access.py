"""Who is let in, what is counted of those who are not, and whose budget a charge is taken from."""

from __future__ import annotations

import hashlib

import pytest

from gateway.access.access import Access
from gateway.access.api_keys import ApiKey
from runtime.rpc.routes import Route, all_routes
from tandem.shared.errors import OverBudget, Unauthenticated

ROUTES: dict[str, Route] = {route.rpc: route for route in all_routes()}
SAMPLE, GENERATE = ROUTES["Sample"], ROUTES["Generate"]


Refused = list[tuple[str, str]]


def access_of(refused: Refused, *keys: ApiKey) -> Access:
    """Return an access of these keys; `refused` gets who was over budget. The clock stands still."""
    return Access(keys, lambda paradigm, budget: refused.append((paradigm, budget)), lambda: 0.0)


def key(name: str, **budgets: int) -> ApiKey:
    return ApiKey(name=name, sha256=hashlib.sha256(name.encode()).hexdigest(), **budgets)


@pytest.fixture
def refused() -> Refused:
    return []


def test_without_keys_everybody_is_the_same_caller_and_owes_nothing(refused: Refused) -> None:
    access = access_of(refused)
    caller = access.admit(SAMPLE, None)
    assert (caller.identifier, access.asks_for_keys) == ("", False)
    assert access.admit(SAMPLE, "anything") is caller
    access.charge("", SAMPLE, 10**9, 0)
    access.admit(SAMPLE, None)


def test_pictures_made_of_tokens_are_charged_as_images_beside_their_tokens(refused: Refused) -> None:
    limits = {"images_per_minute": 60, "tokens_per_minute": 600}
    access = access_of(refused, key("alice", **limits))
    access.charge(key("alice").caller_id(), GENERATE, 600, 61)
    with pytest.raises(OverBudget, match="60 images a minute is used up; retry in 1 s"):
        access.admit(GENERATE, "alice")
    access.charge(key("alice").caller_id(), GENERATE, 10, 0)
    with pytest.raises(OverBudget, match="600 tokens a minute"):
        access.admit(GENERATE, "alice")


def test_who_was_identified_before_pays_like_everybody(refused: Refused) -> None:
    access = access_of(refused, key("alice", requests_per_minute=1), key("bob"))
    alice = access.identify("alice").identifier
    access.admit_known(SAMPLE, alice)
    with pytest.raises(OverBudget):
        access.admit_known(SAMPLE, alice)
    assert refused == [("parallel", "request")]
    access.admit_known(SAMPLE, access.identify("bob").identifier)
    for stranger in ("", "somebody"):
        with pytest.raises(Unauthenticated):
            access.admit_known(SAMPLE, stranger)
    access_of(refused).admit_known(SAMPLE, "")


def test_a_check_takes_nothing_and_refuses_like_the_door(refused: Refused) -> None:
    access = access_of(refused, key("alice", requests_per_minute=1), key("bob", tokens_per_minute=10))
    alice, bob = (access.identify(name).identifier for name in ("alice", "bob"))
    for _ in range(2):
        access.check_known(SAMPLE, alice)
    access.admit_known(SAMPLE, alice)
    with pytest.raises(OverBudget, match="1 requests a minute"):
        access.check_known(SAMPLE, alice)
    access.charge(bob, GENERATE, 11, 0)
    access.check_known(SAMPLE, bob)
    with pytest.raises(OverBudget, match="10 tokens a minute"):
        access.check_known(GENERATE, bob)
    assert refused == [("parallel", "request"), ("sequential", "token")]
    with pytest.raises(Unauthenticated):
        access.check_known(SAMPLE, "somebody")
    access_of(refused).check_known(SAMPLE, "")
