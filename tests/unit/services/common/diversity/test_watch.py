import logging
import math
import threading
import time

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from runtime.metrics import DiversityMetrics
from services.common.diversity.baseline import ClassBaseline, DiversityBaseline, TruncatedYardstick
from services.common.diversity.watch import BLOCK, MAX_WAITING_BLOCKS, DiversityWatch

SHAPE = (4, 4, 1)
DIM = 16


class Eyes:
    """Returns the images themselves as features; held by a gate, and broken if told so."""

    def __init__(self) -> None:
        self.batches: list[np.ndarray] = []
        self.labels: list[int] = []
        self.looked = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def __call__(self, images, labels):
        self.gate.wait()
        if self.error is not None:
            raise self.error
        self.batches.append(images)
        self.labels += labels.tolist()
        self.looked.release()
        return images.reshape(len(images), -1)

    @property
    def num_seen(self) -> int:
        return sum(map(len, self.batches))


class Watched:
    def __init__(
        self, every: int, names: tuple[str, ...] = ("all",), max_per_second: float = math.inf, clock=time.monotonic
    ) -> None:
        self.registry = CollectorRegistry()
        self.eyes = Eyes()
        metrics = DiversityMetrics(self.registry)
        metrics.watch("model")
        baseline = DiversityBaseline(
            features="pixels",
            measured_for={},
            num_images=1,
            seed=0,
            alarm_variance_ratio=0.75,
            alarm_nearest_ratio=0.25,
            classes=tuple(ClassBaseline(name=name, variance=DIM, distance=4.0) for name in names),
            truncated=(
                TruncatedYardstick(
                    truncation=0.5,
                    alarm_variance_ratio=0.75,
                    alarm_nearest_ratio=0.25,
                    classes=tuple(ClassBaseline(name=name, variance=DIM / 4, distance=2.0) for name in names),
                ),
            ),
        )
        self.watch = DiversityWatch("model", baseline, self.eyes, every, max_per_second, metrics, clock)
        self.watch.start()

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"tandem_diversity_{name}", {"model": "model", **labels})


@pytest.fixture
def watched():
    made: list[Watched] = []

    def make(*arguments, **options):
        made.append(Watched(*arguments, **options))
        return made[-1]

    yield make
    for each in made:
        each.eyes.gate.set()
        each.watch.stop()


def images(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, *SHAPE)).astype(np.float32)


def feed(one: Watched, shown: np.ndarray, first_index: int = 0, truncation: float | None = None) -> None:
    """Show whole blocks, and wait until each has been looked at, so that none is dropped."""
    for start in range(0, len(shown), BLOCK):
        one.watch.saw(shown[start : start + BLOCK], None, 0, first_index + start, truncation)
        one.eyes.looked.acquire()


@pytest.mark.parametrize("batch_size", [1, 10, 64])
def test_one_image_in_so_many_is_taken_whatever_the_batches(watched, batch_size):
    one = watched(10)
    for start in range(0, 6400, batch_size):
        one.watch.saw(images(batch_size, seed=start), None, 0, start)
    one.watch.stop()
    assert one.eyes.num_seen == one.value("images_total", outcome="watched")
    assert one.eyes.num_seen + one.value("images_total", outcome="dropped") == pytest.approx(640, rel=0.1)


def test_no_more_are_taken_than_so_many_a_second(watched):
    now = [100.0]
    one = watched(1, max_per_second=2 * BLOCK, clock=lambda: now[0])
    for _ in range(80):  # ten seconds, with far more images than the watch may take
        one.watch.saw(images(10 * BLOCK), None, 0, 0)
        now[0] += 0.125
    one.watch.stop()
    taken = one.eyes.num_seen + one.value("images_total", outcome="dropped")
    assert taken == 20 * BLOCK


def test_what_is_taken_is_a_copy(watched):
    one = watched(1)
    one.eyes.gate.clear()
    shown = images(BLOCK)
    kept = shown.copy()
    one.watch.saw(shown, None, 0, 0)
    shown[:] = 0
    one.eyes.gate.set()
    one.watch.stop()
    np.testing.assert_array_equal(one.eyes.batches[0], kept)


def test_a_watch_that_falls_behind_lets_images_go_and_counts_them(watched):
    one = watched(1)
    one.eyes.gate.clear()
    num_blocks = MAX_WAITING_BLOCKS + 10
    one.watch.saw(images(num_blocks * BLOCK), None, 0, 0)
    dropped = one.value("images_total", outcome="dropped")
    assert dropped >= 9 * BLOCK  # the thread may hold one block in its hands
    one.eyes.gate.set()
    one.watch.stop()
    assert one.eyes.num_seen + dropped == num_blocks * BLOCK


def test_an_error_turns_the_watch_off_and_reaches_nobody(watched, caplog):
    one = watched(1)
    one.eyes.error = RuntimeError("blind")
    for _ in range(20):
        one.watch.saw(images(BLOCK), None, 0, 0)
    one.watch.stop()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "model: the diversity watch failed and is off from now on" in caplog.text


def test_nor_does_an_error_in_the_callers_thread(watched, caplog):
    one = watched(1)
    for _ in range(3):
        one.watch.saw(["no image"], None, 0, 0)
    (line,) = caplog.messages
    assert line == "model: the diversity watch failed and is off from now on"


def test_the_end_of_an_alarm_is_told(watched, caplog):
    caplog.set_level(logging.INFO)
    one = watched(1)
    feed(one, 0.5 * images(8 * BLOCK))
    feed(one, images(8 * BLOCK, seed=2), first_index=1000)
    one.watch.stop()
    assert "grown alike" in caplog.messages[0]
    assert caplog.messages[-1].startswith("model, class all: no alarm over variance any more")
