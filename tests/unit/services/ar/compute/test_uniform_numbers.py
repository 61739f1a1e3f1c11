import random

import numpy as np

from services.ar.compute.uniform_numbers import UniformNumbers

PLACES = [(s, c, p) for s in (0, 1, 2**64 - 1) for c in (0, 1) for p in range(50)]


def test_each_is_the_first_of_a_generator_of_its_own():
    numbers = UniformNumbers()
    for seed, choice, position in random.Random(3).sample(PLACES, len(PLACES)):
        bits = np.random.Philox(key=seed | choice << 64, counter=position).random_raw()
        assert numbers.at(seed, choice, position) == float(bits >> 11) * 2.0**-53


def test_they_differ_and_are_below_one():
    numbers = UniformNumbers()
    found = [numbers.at(*place) for place in PLACES]
    assert len(set(found)) == len(PLACES)
    assert all(0.0 <= number < 1.0 for number in found)
