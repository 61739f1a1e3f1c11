"""How far images are from real ones in each view, and how sure that is."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tandem.measure.quality.distances import Features, Normal, distance_between
from tandem.measure.quality.views.gradients import histograms
from tandem.measure.quality.views.pixels import PixelComponents
from tandem.measure.results.quality import Views
from tandem.measure.results.value import Value
from tandem.measure.statistics.intervals import jackknife

Pixels = npt.NDArray[np.uint8]


class Distances:
    """Measures sets of images against real ones; what the real ones need is computed once."""

    def __init__(self, look: Callable[[Pixels], Features], train: Pixels, test: Pixels) -> None:
        """`look`: the judge's features. The pixels' components are those of `train`; the distances are to `test`."""
        self._views: dict[str, Callable[[Pixels], Features]] = {
            "judge": look,
            "pixels": PixelComponents(train).of,
            "gradients": histograms,
        }
        self._real = {name: Normal.of(features(test)) for name, features in self._views.items()}

    def to(self, images: Pixels) -> Views:
        """Return the distances of images; in the order of their classes, or in a random one."""
        return Views(
            **{name: self._distance(features(images), self._real[name]) for name, features in self._views.items()}
        )

    def _distance(self, features: Features, real: Normal) -> Value:
        found = jackknife(lambda rows: distance_between(real, Normal.of(features[rows])), len(features))
        # No distance is below 0, which Student's t does not know.
        return found if found.low is None else found.model_copy(update={"low": max(0.0, found.low)})
