"""Precision, recall, density and coverage against their definitions, and what each of them sees."""

import numpy as np
import pytest

from tandem.measure.quality.distances import frechet_distance
from tandem.measure.quality.manifold import NUM_NEIGHBOURS, Manifold


def normal(count: int, seed: int, mean: float = 0.0, dim: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1.0, (count, dim))


def by_definition(real: np.ndarray, generated: np.ndarray) -> dict[str, float]:
    """One loop a formula (Kynkaanniemi et al. 2019, Naeem et al. 2020)."""

    def reach(features: np.ndarray, index: int) -> float:
        others = [float(np.linalg.norm(features[index] - each)) for i, each in enumerate(features) if i != index]
        return sorted(others)[NUM_NEIGHBOURS - 1]

    real_reach = [reach(real, i) for i in range(len(real))]
    generated_reach = [reach(generated, j) for j in range(len(generated))]
    gap = [[float(np.linalg.norm(r - g)) for g in generated] for r in real]
    rows, columns = range(len(real)), range(len(generated))
    return {
        "precision": np.mean([any(gap[i][j] < real_reach[i] for i in rows) for j in columns]),
        "recall": np.mean([any(gap[i][j] < generated_reach[j] for j in columns) for i in rows]),
        "density": np.mean([sum(gap[i][j] < real_reach[i] for i in rows) for j in columns]) / NUM_NEIGHBOURS,
        "coverage": np.mean([min(gap[i]) < real_reach[i] for i in rows]),
    }


@pytest.mark.parametrize("mean", [0.0, 1.0])
def test_the_figures_are_those_of_the_definitions(mean: float) -> None:
    real, generated = normal(60, 1), normal(45, 2, mean)
    found = Manifold(real).overlap(generated)
    assert vars(found) == pytest.approx(by_definition(real, generated))


def test_few_images_repeated_are_precise_and_cover_nothing_although_their_fid_is_small() -> None:
    """The collapse that FID does not see."""
    real = normal(2000, 1)
    few = normal(20, 2)
    whitened = (few - few.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(few, rowvar=False))).T
    collapsed = np.repeat(whitened, 100, axis=0)
    found = Manifold(real).overlap(collapsed)
    assert found.recall < 0.02
    assert found.coverage < 0.15
    assert found.precision > 0.9
    assert frechet_distance(collapsed, real) < 0.1


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    Manifold(normal(20, 1)).overlap(normal(20, 2))
    assert capsys.readouterr().out == ""
