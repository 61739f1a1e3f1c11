"""Latents and classes of a whole batch at once: compiled where there is a compiler, otherwise in numpy.

Both give the same bits. numpy takes about 50 us a batch and 9 us a request, compiled code 16 us and 1 us. Other threads
of Python wait during most of that time.
"""

from __future__ import annotations

import ctypes
import logging
import struct
from collections.abc import Sequence
from ctypes import c_char_p, c_uint64, c_void_p
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.gan.generator import Latents
from services.gan.image_request import Part
from services.gan.latents import LABEL_DOMAIN, LATENT_DOMAIN, RandomWords, draw_labels, to_normal
from services.gan.native.build import gan_recipe
from tandem.shared.cache_folder import cache_folder
from tandem.shared.compiled.library_file import open_library
from tandem.shared.compiled.opening import open_compiled
from tandem.shared.compiled.recipe import LibraryUnavailable

logger = logging.getLogger(__name__)

Run = tuple[int, int, int]
"""Images of one seed: the seed, the index of the first image, and how many."""


class BatchLatents:
    """Draws for the requests of a batch, one after another. Used by one thread."""

    def __init__(self, library: ctypes.PyDLL | None) -> None:
        self._library = library
        self._words = RandomWords()

    def draw(self, parts: Sequence[Part]) -> Latents:
        """Return the latents of all parts, and the classes of a model that has some."""
        runs = [(request.seed, rows.start, len(rows)) for request, rows in parts]
        first, _ = parts[0]
        if all(request.is_plain for request, _ in parts):
            vectors = self.vectors(runs, first.latent_dim)
        else:
            vectors = np.concatenate([request.vectors(rows) for request, rows in parts])
        labels = None
        if first.num_classes and all(request.explicit_labels is None for request, _ in parts):
            labels = self.labels(runs, first.num_classes)
        elif first.num_classes:
            labels = np.concatenate([request.labels(rows) for request, rows in parts])
        return Latents(vectors, labels)

    def vectors(self, runs: Sequence[Run], latent_dim: int) -> npt.NDArray[np.float32]:
        """Return the latents [images, latent_dim], not truncated: see `latents.draw_latents`."""
        if self._library is None:
            words = [self._words.rows(seed, LATENT_DOMAIN, first, count, latent_dim) for seed, first, count in runs]
            return to_normal(np.concatenate(words))
        latents = np.empty((_num_images(runs), latent_dim), np.float32)
        self._library.tandem_gan_latents(_packed(runs), len(runs), latent_dim, LATENT_DOMAIN, latents.ctypes.data)
        return latents

    def labels(self, runs: Sequence[Run], num_classes: int) -> npt.NDArray[np.int64]:
        """Return the classes [images]: see `latents.draw_labels`."""
        if self._library is None:
            return np.concatenate([draw_labels(seed, first, count, num_classes) for seed, first, count in runs])
        labels = np.empty(_num_images(runs), np.int64)
        self._library.tandem_gan_labels(_packed(runs), len(runs), num_classes, LABEL_DOMAIN, labels.ctypes.data)
        return labels


@cache
def gan_library() -> ctypes.PyDLL | None:
    """Return the functions, which keep Python's lock, most for microseconds; None if they cannot be had.

    That is tried, and said, once a process. Runs are bytes: three unsigned integers of 64 bits each, in this machine's
    order.
    """
    try:
        return open_compiled(cache_folder() / "kernels", gan_recipe(), _load)
    except LibraryUnavailable as error:
        logger.warning("latents are drawn in numpy, and each request takes longer: %s", error)
        return None


def _load(path: Path) -> ctypes.PyDLL:
    library = open_library(path)
    quick = ctypes.PyDLL(library._name, handle=library._handle)
    for function in (quick.tandem_gan_latents, quick.tandem_gan_labels):
        function.restype, function.argtypes = None, [c_char_p, c_uint64, c_uint64, c_uint64, c_void_p]
    return quick


def _num_images(runs: Sequence[Run]) -> int:
    return sum(count for _, _, count in runs)


def _packed(runs: Sequence[Run]) -> bytes:
    return struct.pack(f"={3 * len(runs)}Q", *(number for run in runs for number in run))
