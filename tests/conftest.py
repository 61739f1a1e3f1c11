"""Options of the whole suite."""

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--effort", choices=("quick", "full"), default="quick", help="how much tests/faults does")
    group.addoption("--faults-report", type=Path, default=None, help="where tests/faults writes its figures as JSON")
