"""The compiled programs, where this machine can make them."""

from pathlib import Path

import pytest

from bench.hop.programs import ProgramUnavailable, program


def _compiled(name: str) -> Path:
    try:
        return program(name)
    except ProgramUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def load_client() -> Path:
    """The load client."""
    return _compiled("load")


@pytest.fixture(scope="session")
def ready_backend() -> Path:
    """The backend without a model."""
    return _compiled("backend")
