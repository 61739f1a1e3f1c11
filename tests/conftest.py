"""Options of the whole suite."""

import gc
import os
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

from tests.effort import Effort

# Tests run two at a time, on small tensors. With as many threads as cores in each, torch's would spin and wait for each
# other's cores: four times the processor time. What a server computes with is its own setting, and not changed by this.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No test fails for how long it took: on a shared machine any example may meet a pause.
hypothesis.settings.register_profile("tandem", deadline=None)
hypothesis.settings.load_profile("tandem")

# To collect the tests makes a million and a half objects that stay. Looking through them for garbage, again and again,
# would take a third of that time.
gc.disable()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


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
