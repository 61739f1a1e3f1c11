"""The backend without a model, where this machine can compile it."""

import pytest

from benchmarks.harness.backend import program
from tandem.shared.compiled.recipe import LibraryUnavailable


@pytest.fixture(scope="session", autouse=True)
def _compiled() -> None:
    try:
        program()
    except LibraryUnavailable as error:
        pytest.skip(str(error))
