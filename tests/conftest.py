"""Options of the whole suite."""

import gc
import os
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.effort import Effort

# Folders whose tests share servers or a browser: one process has them all.
SHARED = ("tests/faults/", "tests/integration/gateway/pages/")

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
    group.addoption("--faults-report", type=Path, default=None, help="where tests/faults writes its page")


@pytest.fixture(scope="session")
def effort(pytestconfig: pytest.Config) -> Effort:
    """How much to do: `effort.of(300, 10_000)`."""
    return Effort(pytestconfig.getoption("effort"))


class ByFile(LoadScopeScheduling):
    """Gives the tests of a file, or of a folder of SHARED, to one process, in the order of their collection."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((folder for folder in SHARED if file.startswith(folder)), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    config.option.loadscopereorder = False  # by the number of tests: the longest have few
    return ByFile(config, log)
