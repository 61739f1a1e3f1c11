"""Generators of random weights are models like any other, with the sizes that were asked for."""

import dataclasses

import numpy as np
import onnx
import pytest

from benchmarks.runtimes.random_generators import LATENT_DIM, Shape, random_generator
from tests.unit.services.common.runtimes.onnx_run import run

SMALL = Shape(16, 64)


@pytest.mark.parametrize(("layout", "size"), [("NCHW", [3, 3, 16, 16]), ("NHWC", [3, 16, 16, 3])])
def test_it_draws_images_with_contrast(layout, size):
    model = random_generator(dataclasses.replace(SMALL, layout=layout))
    onnx.checker.check_model(model, full_check=True)
    images = run(model, {"z": np.random.default_rng(0).standard_normal((3, LATENT_DIM)).astype(np.float32)})
    assert list(images.shape) == size
    assert 0.1 < images.std() < 0.99
