"""Distances between two sets of feature vectors."""

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float64]


def frechet_distance(first: Features, second: Features) -> float:
    """Return the Fréchet distance (Heusel et al. 2017) of the normal distributions fitted to two sets [N, F]; >= 0."""
    mean_gap = first.mean(axis=0) - second.mean(axis=0)
    a, b = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    root_a = _square_root(a)
    # trace((a b)^1/2), by way of a symmetric matrix with the same eigenvalues
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root_a @ b @ root_a), 0.0, None)).sum()
    return float(max(0.0, mean_gap @ mean_gap + np.trace(a) + np.trace(b) - 2.0 * cross))


def _square_root(matrix: Features) -> Features:
    values, vectors = np.linalg.eigh(matrix)
    root: Features = (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
    return root
