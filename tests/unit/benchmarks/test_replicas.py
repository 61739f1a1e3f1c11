"""The ratios of a round: to one replica, and to the choice by load; what was not measured has none."""

from benchmarks.replicas import compare

SEEN = {
    "1.prefix_hits": {"now": 0.8},
    "2.prefix_hits": {"now": 0.76, "by_load": 0.4},
    "2.first_token_seconds": {"now": 0.1, "by_load": 0.25},
}


def test_hits_are_compared_with_one_replica_and_first_tokens_with_the_choice_by_load():
    assert compare([2], SEEN) == {
        "2.hits_to_one": {"now": 0.95, "by_load": 0.5},
        "2.first_token_to_by_load": {"now": 0.4},
    }


def test_what_broke_off_is_compared_with_nothing():
    assert compare([2], {"2.prefix_hits": {"by_load": 0.4}}) == {}
