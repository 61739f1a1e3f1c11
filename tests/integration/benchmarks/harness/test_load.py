"""The tester as the benchmarks use it, against the backend without a model."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from benchmarks.harness.backend import GAN_MODEL, SAMPLE, model_less
from benchmarks.harness.load import LoadFailed, LoadTester, open_tester
from benchmarks.harness.processes import free_port
from tandem.gan.v1 import gan_pb2
from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.scenario import ClosedLoop, Workload
from tandem.measure.workload_text import parse_workload

IMAGES = parse_workload("images", model=GAN_MODEL)
METHOD = Workload(kind="method", method=SAMPLE.removeprefix("/"), delivery="unary")
FOUR = ClosedLoop(concurrency=4)


@pytest.fixture(scope="module")
def audited_runs() -> AuditedRuns:
    return AuditedRuns(most_attempts=1)


@pytest.fixture(scope="module")
def tester(audited_runs: AuditedRuns) -> Iterator[LoadTester]:
    with model_less(1, 0.0) as port, open_tester(port, audited_runs) as tester:
        yield tester


def test_a_load_has_all_of_its_requests_and_is_audited(tester: LoadTester, audited_runs: AuditedRuns) -> None:
    run = tester.run("a load", IMAGES, FOUR, pids=(os.getpid(),), num_requests=30)
    assert run.num_ok == len(run.rows) == run.measured.outcomes.ok == 30
    assert run.quantile(0.5) > 0
    assert run.cpu >= 0  # of so few requests
    assert audited_runs.summary().num_runs == 1


def test_each_request_gets_its_reply(tester: LoadTester) -> None:
    replies = tester.ask(METHOD, [b""] * 5, 2)
    assert [gan_pb2.SampleResponse.FromString(*messages).seed for messages in replies] == [1] * 5


def test_a_load_that_came_to_nothing_says_why(tester: LoadTester) -> None:
    unknown = Workload(kind="method", method="not.Planned/At", delivery="unary")
    with pytest.raises(LoadFailed, match="UNIMPLEMENTED"):
        tester.run("nothing", unknown, FOUR, [b""], num_requests=5)
    with open_tester(free_port(), AuditedRuns(1)) as nobody, pytest.raises(LoadFailed):
        nobody.run("nobody", METHOD, FOUR, [b""], num_requests=5)
