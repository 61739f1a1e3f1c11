import numpy as np
import pytest

from services.common.diversity.baseline import ClassBaseline, DiversityBaseline
from services.common.diversity.windows import WINDOW, DiversityWindows

DIM = 24


def baseline(*names: str) -> DiversityBaseline:
    """The baseline of standard normal features: variance DIM, and a distance that few pairs fall short of."""
    return DiversityBaseline(
        features="pixels",
        measured_for={},
        num_images=1,
        seed=0,
        alarm_variance_ratio=0.75,
        alarm_nearest_ratio=0.25,
        classes=tuple(ClassBaseline(name=name, variance=DIM, distance=5.0) for name in names),
    )


def readings(windows: DiversityWindows, vectors: np.ndarray, label: int = 0) -> list:
    return [r for key, vector in enumerate(vectors) for r in windows.add(key, label, vector)]


def normal(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, DIM))


def test_figures_of_one_window_are_those_of_the_definition():
    vectors = normal(WINDOW + 1)
    (reading,) = readings(DiversityWindows(baseline("all")), vectors)
    pairs = np.sqrt(((vectors[:, None] - vectors[None]) ** 2).sum(axis=2))[np.triu_indices(WINDOW + 1, 1)]
    assert reading.scope == "all"
    assert reading.variance_ratio == pytest.approx(vectors.var(axis=0, ddof=1).sum() / DIM)
    assert reading.nearest_ratio == pytest.approx(pairs.min() / 5.0)


def test_classes_are_compared_within_themselves_only():
    windows = DiversityWindows(baseline("a", "b"))
    first, second = normal(40), normal(40, seed=2)
    second[:] = first + 100.0  # the same images, far away: no duplicates, and no variance between the classes
    found = [
        reading
        for key, pair in enumerate(zip(first, second, strict=True))
        for label, vector in enumerate(pair)
        for reading in windows.add((key, label), label, vector)
    ]
    assert {reading.scope for reading in found} == {"a", "b", "all"}
    for reading in found:
        assert 0.7 < reading.variance_ratio < 1.3
        assert reading.nearest_ratio > 0.5


@pytest.mark.parametrize(
    ("vectors", "kind"),
    [
        (0.5 * normal(200), "variance"),
        (normal(20)[np.arange(200) % 20], "duplicates"),
        (np.full((200, DIM), np.nan), "duplicates"),
    ],
)
def test_a_collapse_alarms_from_the_second_window_on(vectors, kind):
    found = readings(DiversityWindows(baseline("all")), vectors)
    assert len(found) == 6
    assert not found[0].alarms
    assert all(kind in reading.alarms for reading in found[1:])


def test_one_poor_window_is_chance():
    healthy, poor = normal(WINDOW + 1), 0.5 * normal(WINDOW + 1)
    found = readings(DiversityWindows(baseline("all")), np.concatenate([poor, healthy, poor, healthy]))
    assert [reading.variance_ratio < 0.75 for reading in found] == [True, False, True, False]
    assert not any(reading.alarms for reading in found)


def test_an_image_drawn_again_from_its_seed_counts_once():
    windows = DiversityWindows(baseline("all"))
    vectors = normal(WINDOW)
    for _ in range(10):
        assert readings(windows, vectors) == []
    assert len(windows.add("new", 0, normal(1)[0])) == 1


def test_the_window_of_all_classes_counts_images_beyond_the_first_of_each():
    windows = DiversityWindows(baseline("a", "b", "c"))
    found = [windows.add(key, key % 3, vector) for key, vector in enumerate(normal(100))]
    assert [any(reading.scope == "all" for reading in each) for each in found].index(True) + 1 == WINDOW + 3
