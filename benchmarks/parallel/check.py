"""Checks a contender before it is measured: given latents must give the right images, alone and beside others."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.harness.load import Client, closed_loop
from benchmarks.harness.run import LoadFailed, Target
from benchmarks.parallel.dialects import Dialect, drawn_latents
from benchmarks.peers.gan.generator import Generator, Levels

_NUM_REQUESTS = 64
_CLIENTS = (1, 16)
_LONGEST_SECONDS = 30.0
# Of 255. Bfloat16 is off by less than a level on average, int8 by some; other images by tens of them.
_TOLERATED_MEAN_LEVELS = 6.0


class Check:
    """Holds what ONNX Runtime in fp32 draws of the latents of 64 requests of one image."""

    def __init__(self, generator: Path) -> None:
        self._drawn = [drawn_latents(1, seed) for seed in range(_NUM_REQUESTS)]
        latents, labels = (np.concatenate(each) for each in zip(*self._drawn, strict=True))
        self._expected = Generator(generator).draw(latents, labels).reshape(_NUM_REQUESTS, -1)

    def __call__(self, client: Client, port: int, dialect: Dialect) -> float:
        """Return by how many levels the images are off, on average. Raises LoadFailed if they are others."""
        target, off = Target(port, dialect.path, [dialect.explicit(*each) for each in self._drawn]), 0.0
        for clients in _CLIENTS:
            run = closed_loop(client, target, clients, _LONGEST_SECONDS, most_requests=_NUM_REQUESTS, keep_replies=True)
            run.check_all_ok(f"{clients} clients")
            images = np.concatenate([dialect.levels(each) for each in run.replies])
            off = max(off, mean_levels_off(images, self._expected))
        return off


def mean_levels_off(images: Levels, expected: Levels) -> float:
    """Return the mean difference to the expected images [N, P], each of which must be there once, in any order.

    Raises LoadFailed if one is not.
    """
    if images.shape != expected.shape:
        raise LoadFailed(f"images {list(images.shape)} came back where {list(expected.shape)} were asked for")
    differences = np.abs(images[:, None].astype(np.int16) - expected).mean(axis=2)
    nearest = differences.argmin(axis=1)
    off = float(differences.min(axis=1).max())
    if off > _TOLERATED_MEAN_LEVELS or len(set(nearest.tolist())) < len(expected):
        raise LoadFailed(
            f"other images came back: off by {off:.1f} levels on average, {len(set(nearest.tolist()))} found"
        )
    return off
