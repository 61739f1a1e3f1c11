"""The compiled programs, where this machine can make them."""

from pathlib import Path

import pytest

from benchmarks.harness.load import SENDER, Client, open_client
from benchmarks.harness.programs import program
from tandem.shared.compiled.recipe import LibraryUnavailable


def _compiled(name: str) -> Path:
    try:
        return program(name)
    except LibraryUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def load_client() -> Client:
    """The load generator's own sender."""
    try:
        return open_client(SENDER)
    except LibraryUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def ready_backend() -> Path:
    """The backend without a model."""
    return _compiled("backend")
