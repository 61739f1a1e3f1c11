"""How far images are from real ones in each view, and how sure that is."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tandem.measure.quality.distances import Features, distance, normals_of
from tandem.measure.quality.views.gradients import histograms
from tandem.measure.quality.views.pixels import PixelComponents
from tandem.measure.results.quality import Views

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
        self._real = {name: normals_of(features(test)) for name, features in self._views.items()}

    def to(self, images: Pixels) -> Views:
        """Return the distances of images; in the order of their classes."""
        return Views(**{name: distance(look(images), self._real[name]) for name, look in self._views.items()})
