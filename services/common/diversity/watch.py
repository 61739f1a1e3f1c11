"""The diversity watch: some of the images that a model serves are compared with what the released model makes.

The service calls `saw` with every image; one in so many is taken, at random so that no pattern of requests hides
from the watch, and looked at in a thread of the watch's own. Beyond so many a second none is taken: one more tells
little, and takes time from those who wait. It never makes a request wait or fail: when it falls behind it lets images
go, and an error turns it off. Knows nothing of models.
"""

from __future__ import annotations

import logging
import math
import queue
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from runtime.metrics import DiversityMetrics
from services.common.diversity.baseline import DiversityBaseline, TruncatedYardstick
from services.common.diversity.windows import DiversityWindows, Features, Kind, Reading
from services.common.images.encoding import Images

logger = logging.getLogger(__name__)

BLOCK = 16
MAX_WAITING_BLOCKS = 4

Look = Callable[[Images, npt.NDArray[np.int64]], Features]

WORDS: dict[Kind, str] = {
    "variance": "its images have grown alike: they vary %.2f times as much as the released model's (alarm below %.2f)",
    "duplicates": "it draws the same images over and over: the closest two are %.2f of the released model's distance"
    " apart (alarm below %.2f)",
}


@dataclass(frozen=True, slots=True)
class Served:
    """One image that was taken: [H, W, C] in the model's range. The same seed and index stand for the same image."""

    image: Images
    label: int
    seed: int
    index: int
    truncation: float | None


class DiversityWatch:
    """The watch over one model. `look` turns images [N, H, W, C] and labels [N] into feature vectors [N, F].

    One image in `every` is taken, and at most `max_per_second` on average; `clock` tells seconds.
    """

    def __init__(
        self,
        name: str,
        baseline: DiversityBaseline,
        look: Look,
        every: int,
        max_per_second: float,
        metrics: DiversityMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._baseline = baseline
        self._narrowest = min((each.truncation for each in baseline.truncated), default=math.inf)
        # Of images drawn freely under None, and of those of a truncation under that of their yardstick.
        self._windows: dict[float | None, DiversityWindows] = {None: DiversityWindows(baseline)}
        self._windows |= {each.truncation: DiversityWindows(each) for each in baseline.truncated}
        self._look = look
        self._metrics = metrics
        self._every = every
        self._rest_seconds = BLOCK / max_per_second
        self._clock = clock
        self._rests_until = -math.inf  # read without the lock: an image more or less is no matter
        self._lock = threading.Lock()  # over what `saw` keeps: the next three
        self._source = random.Random(0)  # noqa: S311  which images are taken is no secret
        self._num_until_next = self._gap() - 1
        self._block: list[Served] = []
        self._mailbox: queue.Queue[list[Served] | None] = queue.Queue(MAX_WAITING_BLOCKS)
        self._thread = threading.Thread(target=self._loop, name=f"diversity of {name}", daemon=True)
        self._is_off = False
        self._alarmed: set[tuple[str, Kind]] = set()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Look at what waits and end the thread; without effect the second time."""
        if self._thread.is_alive():
            self._mailbox.put(None)
            self._thread.join()
        self._is_off = True

    def saw(
        self,
        images: Images,
        labels: npt.NDArray[np.int64] | None,
        seed: int,
        first_index: int,
        truncation: float | None = None,
    ) -> None:
        """Take note of images [N, H, W, C] that were served, drawn from (seed, first_index) on; from any thread.

        Only of those that the model varies by itself: images that their user had drawn narrower by a low temperature,
        or from latents of his own, say nothing of the model. Those of a truncation are held against the released
        model's own of such a truncation; where it is narrower than all that were measured, they are let go.
        """
        if self._is_off or self._rests() or (truncation is not None and truncation < self._narrowest):
            return
        try:
            self._take(images, labels, seed, first_index, truncation)
        except Exception:
            self._give_up()

    def _take(
        self,
        images: Images,
        labels: npt.NDArray[np.int64] | None,
        seed: int,
        first_index: int,
        truncation: float | None,
    ) -> None:
        with self._lock:
            while self._num_until_next < len(images) and not self._rests():
                place = self._num_until_next
                label = 0 if labels is None else int(labels[place])
                self._block.append(Served(images[place].copy(), label, seed, first_index + place, truncation))
                self._num_until_next += self._gap()
                if len(self._block) == BLOCK:
                    self._post()
            is_at_rest = self._num_until_next < len(images)
            self._num_until_next = self._gap() - 1 if is_at_rest else self._num_until_next - len(images)

    def _rests(self) -> bool:
        return self._clock() < self._rests_until

    def _gap(self) -> int:
        return self._source.randint(1, 2 * self._every - 1)

    def _post(self) -> None:
        block, self._block = self._block, []
        self._rests_until = self._clock() + self._rest_seconds
        try:
            self._mailbox.put_nowait(block)
        except queue.Full:
            self._metrics.count_images(self._name, "dropped", len(block))

    def _loop(self) -> None:
        while (block := self._mailbox.get()) is not None:
            try:
                if not self._is_off:
                    self._compare(block)
            except Exception:
                self._give_up()

    def _compare(self, block: list[Served]) -> None:
        features = self._look(np.stack([one.image for one in block]), np.array([one.label for one in block]))
        for one, vector in zip(block, features, strict=True):
            windows = self._windows_of(one.truncation)
            for reading in windows.add((one.seed, one.index), one.label, vector):
                self._tell(reading, windows.limits)
        self._metrics.count_images(self._name, "watched", len(block))

    def _windows_of(self, truncation: float | None) -> DiversityWindows:
        """Return the windows that images of this truncation are gathered in."""
        yardstick = self._baseline.yardstick_of(truncation)
        return self._windows[yardstick.truncation if isinstance(yardstick, TruncatedYardstick) else None]

    def _tell(self, reading: Reading, limits: Mapping[Kind, float]) -> None:
        """Report every window; log only where an alarm begins and where it ends."""
        self._metrics.observe_window(
            self._name, reading.scope, reading.variance_ratio, reading.nearest_ratio, reading.alarms
        )
        ratios: dict[Kind, float] = {"variance": reading.variance_ratio, "duplicates": reading.nearest_ratio}
        for kind, ratio in ratios.items():
            alarm = (reading.scope, kind)
            if kind in reading.alarms and alarm not in self._alarmed:
                self._alarmed.add(alarm)
                words = WORDS[kind] % (ratio, limits[kind])
                logger.warning("%s, class %s: %s", self._name, reading.scope, words)
            elif kind not in reading.alarms and alarm in self._alarmed:
                self._alarmed.remove(alarm)
                logger.info("%s, class %s: no alarm over %s any more (%.2f)", self._name, reading.scope, kind, ratio)

    def _give_up(self) -> None:
        self._is_off = True
        logger.exception("%s: the diversity watch failed and is off from now on", self._name)
