"""How much one caller may hold, and one more connection of it."""

import pytest

from runtime.rpc.caller import NOBODY, Owner
from services.common.caller_share import most_of_caller


@pytest.mark.parametrize(
    ("caller", "num_of_connection", "most"),
    [(Owner("a", "a:1"), 0, 8), (Owner("a", "a:1"), 1, 6), ("a", 0, 6), (NOBODY, 0, 6)],
)
def test_a_connection_that_holds_nothing_has_half_of_what_the_share_leaves(caller, num_of_connection, most):
    assert most_of_caller(caller, num_of_connection, share=6, whole=10) == most
