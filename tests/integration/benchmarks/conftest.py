"""The backend without a model, where this machine can compile it."""

import pytest

from benchmarks.harness.backend import program
from tests.compiled import skip_without_compiler


@pytest.fixture(scope="session", autouse=True)
def _compiled() -> None:
    with skip_without_compiler():
        program()
