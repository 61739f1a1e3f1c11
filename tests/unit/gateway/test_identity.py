"""Who counts as one caller."""

from __future__ import annotations

from gateway.identity import Identity


def test_a_caller_is_a_key_wherever_it_is_used_and_else_an_address() -> None:
    assert Identity("alice", "10.0.0.1:5").caller == Identity("alice", "10.0.0.2:6").caller == "alice"
    assert Identity("", "10.0.0.1:5").caller == "10.0.0.1"
