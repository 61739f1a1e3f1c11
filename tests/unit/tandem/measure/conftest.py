"""Randomness that is the same each time."""

import random

import pytest


@pytest.fixture
def random_source() -> random.Random:
    return random.Random(3)
