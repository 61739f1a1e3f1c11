import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.gan.random_words import RandomWords

RUNS = st.tuples(
    st.integers(0, 2**64 - 1), st.integers(0, 3), st.integers(0, 100_000), st.integers(1, 9), st.integers(1, 130)
)


def made_for(seed: int, domain: int, first_index: int, count: int, words_per_image: int) -> np.ndarray:
    """Return the words of a generator that numpy makes for this run alone."""
    blocks = -(-words_per_image // 4)
    generator = np.random.Philox(key=seed, counter=(domain << 64) + first_index * blocks)
    return generator.random_raw(count * blocks * 4).reshape(count, -1)[:, :words_per_image]


@given(st.lists(RUNS, min_size=1, max_size=6))
def test_each_run_is_that_of_a_generator_of_its_own_whatever_came_before(runs):
    words = RandomWords()
    for run in runs:
        np.testing.assert_array_equal(words.rows(*run), made_for(*run))
