"""Distances between two sets of feature vectors. Knows nothing of images."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tandem.measure.results.quality import Distance
from tandem.measure.results.value import Value
from tandem.measure.statistics.intervals import MIN_PER_GROUP, NUM_GROUPS, of_tenths, tenths_of

Features = npt.NDArray[np.float64]

KERNEL_SUBSETS = 100
KERNEL_SUBSET_SIZE = 1000


@dataclass(frozen=True, eq=False)
class Normal:
    """The normal distribution fitted to a set of feature vectors: `mean` [F] and `covariance` [F, F]."""

    mean: Features
    covariance: Features

    @classmethod
    def of(cls, features: Features) -> "Normal":
        """Fit one to a set [N, F]."""
        return cls(features.mean(axis=0), np.cov(features, rowvar=False))

    @cached_property
    def root(self) -> Features:
        """The square root of the covariance."""
        values, vectors = np.linalg.eigh(self.covariance)
        root: Features = (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
        return root


def frechet_distance(first: Features, second: Features) -> float:
    """Return the Fréchet distance (Heusel et al. 2017) of the normal distributions fitted to two sets [N, F]; >= 0."""
    return distance_between(Normal.of(first), Normal.of(second))


def distance_between(first: Normal, second: Normal) -> float:
    """Return the Fréchet distance of two normal distributions; the root of the first is kept for the next time."""
    mean_gap = first.mean - second.mean
    # trace((a b)^1/2), by way of a symmetric matrix with the same eigenvalues
    product = np.linalg.eigvalsh(first.root @ second.covariance @ first.root)
    cross = np.sqrt(np.clip(product, 0.0, None)).sum()
    traces = np.trace(first.covariance) + np.trace(second.covariance)
    return float(max(0.0, mean_gap @ mean_gap + traces - 2.0 * cross))


def normals_of(features: Features) -> list[Normal]:
    """Return the normal distribution of a set [N, F], and those without every tenth vector, from each of the first ten
    on, so that in the order of classes each tenth has all; that of the whole alone where tenths would be too small.
    """
    rows = np.arange(len(features))
    groups = range(NUM_GROUPS if len(features) >= NUM_GROUPS * MIN_PER_GROUP else 0)
    return [Normal.of(features), *(Normal.of(features[rows % NUM_GROUPS != group]) for group in groups)]


def distance(features: Features, real: Sequence[Normal]) -> Distance:
    """Return how far a set [N, F] is from a real one, of which `real` is `normals_of`, as if both had no end.

    The distance of few vectors is too large by a constant over their number (Chong and Forsyth 2020, who fit a line
    over 1 / N); what is left without a tenth of both, for each tenth, says by how much, and how sure that is.
    """
    pairs = zip(normals_of(features), real, strict=False)
    whole, *without = (distance_between(theirs, own) for own, theirs in pairs)
    tenths = tenths_of(whole, without)
    found = of_tenths(tenths, len(features)) if tenths else Value(value=whole, count=len(features))
    return Distance(**vars(found), of_these=whole, tenths=tenths)


def kernel_distance(first: Features, second: Features, seed: int = 0) -> tuple[float, float]:
    """Return mean and standard deviation of the kernel distance (Binkowski et al. 2018) of subsets of two sets [N, F].

    The unbiased estimate of the squared MMD with the kernel (x y / F + 1)^3; it may be a little below 0 for sets of the
    same distribution.
    """
    size = min(KERNEL_SUBSET_SIZE, len(first), len(second))
    random = np.random.default_rng(seed)
    estimates = [
        squared_mmd(random.choice(first, size, replace=False), random.choice(second, size, replace=False))
        for _ in range(KERNEL_SUBSETS)
    ]
    return float(np.mean(estimates)), float(np.std(estimates))


def squared_mmd(first: Features, second: Features) -> float:
    """Return the unbiased estimate of the squared maximum mean discrepancy of two sets [N, F] of at least two."""
    return _mean_of_pairs(first) + _mean_of_pairs(second) - 2.0 * float(_kernel(first, second).mean())


def _kernel(first: Features, second: Features) -> Features:
    base: Features = first @ second.T / first.shape[1] + 1.0
    return base * base * base  # ** 3 takes several times as long


def _mean_of_pairs(features: Features) -> float:
    """Return the kernel's mean over pairs of different vectors."""
    values = _kernel(features, features)
    count = len(features)
    return float((values.sum() - np.trace(values)) / (count * (count - 1)))


def variance(features: Features) -> float:
    """Return the total variance of a set [N, F]: the trace of its covariance."""
    return float(features.var(axis=0, ddof=1).sum())
