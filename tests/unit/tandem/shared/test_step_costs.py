"""The cheapest groups: against every other way to cut a few tokens, for images that were begun, and from a file."""

import itertools
import json
import random

import pytest

from tandem.shared.models import ModelError
from tandem.shared.step_costs import StepCosts, load_step_costs

NUM_TOKENS = 8


def random_bits(seed: int) -> list[list[float]]:
    source = random.Random(seed)
    return [[source.uniform(1, 4) for _ in range(NUM_TOKENS - start)] for start in range(NUM_TOKENS)]


def every_way(num_tokens: int, steps: int) -> list[tuple[int, ...]]:
    return [(*cuts, num_tokens) for cuts in itertools.combinations(range(1, num_tokens), steps - 1)]


def price(bits: list[list[float]], first: int, ends: tuple[int, ...]) -> float:
    """Return the loss of groups with these ends behind the first tokens."""
    bounds = [first, *(first + end for end in ends)]
    return sum(sum(bits[start][: end - start]) for start, end in itertools.pairwise(bounds))


@pytest.mark.parametrize("first", [0, 3])
@pytest.mark.parametrize("seed", range(5))
def test_no_other_groups_cost_less(seed, first):
    bits = random_bits(seed)
    costs = StepCosts(bits)
    for num_tokens in range(1, NUM_TOKENS - first + 1):
        for steps in range(1, num_tokens + 1):
            ways = every_way(num_tokens, steps)
            found = costs.group_ends(first, num_tokens, steps)
            assert found in ways
            assert costs.bits(first, num_tokens, steps) == pytest.approx(price(bits, first, found))
            assert price(bits, first, found) == pytest.approx(min(price(bits, first, way) for way in ways))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "step_costs.json"


def test_a_file_gives_the_costs_that_it_holds(path):
    bits = random_bits(1)
    path.write_text(json.dumps({"num_images": 10, "bits": bits}))
    loaded, expected = load_step_costs(path, NUM_TOKENS), StepCosts(bits)
    for steps in range(1, NUM_TOKENS + 1):
        assert loaded.group_ends(0, NUM_TOKENS, steps) == expected.group_ends(0, NUM_TOKENS, steps)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("no JSON", "Invalid JSON"),
        (json.dumps({"bits": random_bits(1)}), "num_images"),
        (json.dumps({"num_images": 10, "bits": [[1.0, -1.0], [1.0]]}), "greater than or equal to 0"),
        ('{"num_images": 10, "bits": [[NaN]]}', "finite number"),
        (json.dumps({"num_images": 10, "bits": random_bits(1)[1:]}), "expected 8 rows"),
        (json.dumps({"num_images": 10, "bits": [[1.0] * 8] * 8}), "expected 8 rows"),
    ],
)
def test_a_file_of_something_else_is_refused(path, content, error):
    path.write_text(content)
    with pytest.raises(ModelError, match=error) as refused:
        load_step_costs(path, NUM_TOKENS)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
