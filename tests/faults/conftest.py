"""Fixtures of the fault rows, and how their figures get into the report."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.effort import Effort
from tests.faults.figures import Watch
from tests.faults.history import History
from tests.faults.neighbour import Neighbour, neighbour_process
from tests.faults.product import Fleet, Product, fleet, tandem_up
from tests.faults.report import Report, Sheet

SHEET = pytest.StashKey[Sheet]()
REPORT = pytest.StashKey[Report]()


@pytest.fixture
def sheet(request: pytest.FixtureRequest, effort: Effort) -> Sheet:
    """Notes rows of the fault table: name, figure and whether that meets the bar."""
    return request.node.stash.setdefault(SHEET, Sheet(_done(request.node), effort.is_full))


def _done(item: pytest.Item) -> str:
    text = inspect.getdoc(getattr(item, "function", None)) or item.name
    return " ".join(text.split("\n\n")[0].split())


@pytest.fixture(scope="session")
def running_product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """`tandem up` with the matched pair, one for the whole session; use `product`."""
    with tandem_up(tmp_path_factory.mktemp("product")) as product:
        yield product


@pytest.fixture
async def product(running_product: Product) -> Product:
    """The whole product, ready; a row that breaks it makes its own, see tests.faults.product."""
    await running_product.ready()
    return running_product


@pytest.fixture
async def history(product: Product) -> History:
    """What this row's clients see at the product's gateway; the row must await `counters_equal` at its end."""
    return await product.history()


@pytest.fixture(scope="session")
def session_fleet(tmp_path_factory: pytest.TempPathFactory, effort: Effort) -> Iterator[Fleet]:
    """Two replicas of each backend behind a gateway, for rows that kill and freeze them; use `replicas`.

    Quick runs have those of the parallel backend alone, which start in a second.
    """
    with fleet(tmp_path_factory.mktemp("fleet"), effort.of(0, 2), 2) as made:
        yield made


@pytest.fixture
async def replicas(session_fleet: Fleet) -> Fleet:
    """The fleet, whole and ready: what an earlier row left dead or frozen is started again."""
    await session_fleet.mend()
    return session_fleet


@pytest.fixture
async def fleet_history(replicas: Fleet) -> History:
    """What this row's clients see at the fleet's gateway; `counters_equal` wants every replica to run again."""
    return await replicas.history()


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Any:
    """After the row's own assertions: its figures meet their bars, its history was compared."""
    result = yield
    sheet = pyfuncitem.stash.get(SHEET, None)
    if sheet is None:
        return result
    if any(isinstance(value, History) and not value.is_checked for value in pyfuncitem.funcargs.values()):
        raise RuntimeError("a row with a history must await its counters_equal()")
    if reason := sheet.check():
        pytest.xfail(reason)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Put the row into the report; one whose servers did not even start leaves an entry as well."""
    report = yield
    if "sheet" in getattr(item, "fixturenames", ()) and (call.when == "call" or report.failed):
        sheet = item.stash.get(SHEET, None) or Sheet(_done(item))
        item.stash[SHEET] = Sheet(sheet.done)  # a failure behind the call does not tell the figures twice
        expected = getattr(report, "wasxfail", None)
        has_passed = report.passed or expected is not None
        _report(item.config).add(sheet, item.name, has_passed, expected)
    return report


def _report(config: pytest.Config) -> Report:
    return config.stash.setdefault(REPORT, Report(config.getoption("effort")))


def pytest_sessionfinish(session: pytest.Session) -> None:
    path: Path | None = session.config.getoption("faults_report")
    if path is not None:
        _report(session.config).write(path)


@pytest.fixture(scope="session")
def neighbour() -> Iterator[Neighbour]:
    """A light good client in a process of its own, one for the whole session."""
    with neighbour_process() as client:
        yield client


@pytest.fixture
def watch(product: Product, neighbour: Neighbour, sheet: Sheet) -> Watch:
    """Good calls beside an attack on the product, and what the attack costs its servers."""
    return Watch(product, neighbour, sheet)
