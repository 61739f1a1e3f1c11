"""Tests of compiled parts, on machines that may have no compiler."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tandem.shared.compiled.recipe import LibraryUnavailable


@contextmanager
def skip_without_compiler() -> Iterator[None]:
    """Skip the test where this machine cannot compile; a source that a compiler refuses fails it."""
    try:
        yield
    except LibraryUnavailable as error:
        if "does not compile" in str(error):
            raise
        pytest.skip(str(error))
