"""Compiled or not, a batch gets the latents and classes that each of its requests would get alone, to the last bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gan import generator_batch
from services.gan.generator_batch import draw_batch, gan_library
from services.gan.image_request import ImageRequest
from services.gan.latents import draw_labels, draw_latents
from tandem.shared.compiled.recipe import LibraryUnavailable

RUN = st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**40), st.integers(1, 9))


@pytest.fixture(scope="module", params=["numpy", "compiled"])
def library(request):
    return None if request.param == "numpy" else gan_library()


@given(st.lists(RUN, min_size=1, max_size=6), st.integers(1, 130), st.integers(0, 1000))
def test_a_batch_has_the_bits_of_each_run_alone(library, runs, latent_dim, num_classes):
    parts = [
        (ImageRequest(count, latent_dim, num_classes, "uint8", seed), range(first, first + count))
        for seed, first, count in runs
    ]
    drawn = draw_batch(parts, library)
    alone = np.concatenate([draw_latents(*run, latent_dim) for run in runs])
    assert drawn.vectors.dtype == np.float32
    np.testing.assert_array_equal(drawn.vectors.view(np.uint32), alone.view(np.uint32))
    labels = [label for run in runs for label in draw_labels(*run, num_classes).tolist()] if num_classes else None
    assert (None if drawn.labels is None else drawn.labels.tolist()) == labels


def test_many_values_have_the_same_bits_far_out_too():
    parts = [(ImageRequest(50, 128, 0, "uint8", seed), range(50)) for seed in range(40)]
    compiled, numpy = (draw_batch(parts, library).vectors for library in (gan_library(), None))
    assert abs(numpy).max() > 4.0
    np.testing.assert_array_equal(compiled.view(np.uint32), numpy.view(np.uint32))


def test_without_a_compiler_numpy_draws(monkeypatch, caplog):
    def unavailable(*_):
        raise LibraryUnavailable("no C++ compiler")

    monkeypatch.setattr(generator_batch, "open_functions", unavailable)
    gan_library.cache_clear()
    try:
        assert [gan_library() for _ in range(2)] == [None, None]
    finally:
        gan_library.cache_clear()
    assert caplog.text.count("no C++ compiler") == 1
