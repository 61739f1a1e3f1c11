"""Flags that several benchmarks have."""

import argparse

import pytest

from benchmarks.harness.command import some_of


def test_a_name_that_is_none_is_refused_with_those_that_are():
    assert some_of(("a", "b"))("b,a") == ["b", "a"]
    assert some_of(None)("") == []
    with pytest.raises(argparse.ArgumentTypeError, match="'c': must be one of a, b"):
        some_of(("a", "b"))("a,c")
