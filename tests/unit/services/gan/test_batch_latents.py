"""Compiled or not, a batch gets the latents and classes that each of its requests would get alone, to the last bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gan import batch_latents
from services.gan.batch_latents import BatchLatents, gan_library
from services.gan.latents import draw_labels, draw_latents
from tandem.shared.compiled.recipe import LibraryUnavailable

RUN = st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**40), st.integers(1, 9))


@pytest.fixture(params=["numpy", "compiled"], scope="module")
def either(request):
    return BatchLatents(None if request.param == "numpy" else gan_library())


@given(st.lists(RUN, min_size=1, max_size=6), st.integers(1, 130))
def test_latents_have_the_bits_of_each_run_alone(either, runs, latent_dim):
    alone = np.concatenate([draw_latents(*run, latent_dim) for run in runs])
    together = either.vectors(runs, latent_dim)
    assert together.dtype == np.float32
    np.testing.assert_array_equal(together.view(np.uint32), alone.view(np.uint32))


@given(st.lists(RUN, min_size=1, max_size=6), st.integers(1, 1000))
def test_classes_are_those_of_each_run_alone(either, runs, num_classes):
    together = either.labels(runs, num_classes)
    assert together.dtype == np.int64
    assert together.tolist() == [label for run in runs for label in draw_labels(*run, num_classes).tolist()]


def test_many_values_have_the_same_bits_far_out_too():
    runs = [(seed, 0, 50) for seed in range(40)]
    compiled, numpy = (BatchLatents(library).vectors(runs, 128) for library in (gan_library(), None))
    assert abs(numpy).max() > 4.0
    np.testing.assert_array_equal(compiled.view(np.uint32), numpy.view(np.uint32))


def test_without_a_compiler_numpy_draws(monkeypatch, caplog):
    def unavailable(*_):
        raise LibraryUnavailable("no C++ compiler")

    monkeypatch.setattr(batch_latents, "open_compiled", unavailable)
    gan_library.cache_clear()
    try:
        assert [gan_library() for _ in range(2)] == [None, None]
    finally:
        gan_library.cache_clear()
    assert caplog.text.count("no C++ compiler") == 1
