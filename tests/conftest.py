"""Options of the whole suite."""

from pathlib import Path

import pytest

from tests.effort import Effort


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption(
        "--effort", choices=("quick", "full"), default="quick", help="how much tests of faults and strange input do"
    )
    group.addoption("--faults-report", type=Path, default=None, help="where tests/faults writes its figures as JSON")


@pytest.fixture(scope="session")
def effort(pytestconfig: pytest.Config) -> Effort:
    """How much to do: `effort.of(300, 10_000)`."""
    return Effort(pytestconfig.getoption("effort"))
