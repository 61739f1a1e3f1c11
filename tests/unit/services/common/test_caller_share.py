"""How much one caller may hold, and each of its connections."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.rpc.metadata import NOBODY, Owner
from services.common.caller_share import CallerCounts


def counts(**held: int) -> CallerCounts:
    """Return counts of a caller that holds so much by each of its connections, of 20 with a share of 12."""
    made = CallerCounts(share=12, whole=20)
    for connection, count in held.items():
        made.add(Owner("a", connection), count)
    return made


@pytest.mark.parametrize(
    ("held", "connection", "room"),
    [
        ({}, "x", 16),
        ({"x": 11}, "x", 5),
        ({"x": 12}, "x", 0),
        ({"x": 12}, "y", 4),
        ({"x": 12, "y": 4}, "y", 0),
        ({"x": 12, "y": 3}, "y", 1),
        ({"x": 6, "y": 6}, "x", 0),
        ({"x": 4, "y": 4, "z": 4}, "w", 4),
    ],
)
def test_a_connection_with_less_than_an_equal_part_may_go_beyond_its_caller_s_share(held, connection, room):
    assert counts(**held).room(Owner("a", connection)) == room


@pytest.mark.parametrize("caller", [NOBODY, "b"])
def test_who_tells_no_connection_has_the_share(caller):
    assert counts(x=12).room(caller) == 12


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(1, 3)), max_size=30))
def test_what_is_given_back_leaves_nothing(held):
    made = CallerCounts(share=12, whole=20)
    for caller, connection, count in held:
        made.add(Owner(caller, connection), count)
    assert made.of_caller.total() == sum(count for _, _, count in held)
    for caller, connection, count in held:
        made.add(Owner(caller, connection), -count)
    assert (made.of_caller, made.of_connections("a")) == ({}, {})
