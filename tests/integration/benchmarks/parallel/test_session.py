"""Whole rounds with real servers: every figure is there, and who draws other images is not measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.harness.bars import Results
from benchmarks.harness.load import SENDER, open_client
from benchmarks.harness.servers import NOW, ROOT, Service
from benchmarks.harness.surroundings import surroundings
from benchmarks.parallel import undisturbed
from benchmarks.parallel.bars import DIRECT, EQUAL, FP32, PLAIN, PRODUCT, bars
from benchmarks.parallel.contenders import Contender, loops, tandem
from benchmarks.parallel.dialects import TANDEM
from benchmarks.parallel.page import page
from benchmarks.parallel.peers import Peers
from benchmarks.parallel.session import Session
from benchmarks.parallel.workload import WORKLOADS, Durations
from benchmarks.runtimes import contenders as runtimes
from tandem.shared.compiled.recipe import LibraryUnavailable
from tandem.shared.models import ModelRepository

MODEL = ModelRepository(ROOT / "models").get("fashion-gan")
GENERATOR = MODEL.path("generator.onnx")
# Long enough that even beside other tests a request of each load fits in.
SHORT = Durations(warm_up=0.3, loads=dict.fromkeys(WORKLOADS, 0.3), bare=0.05)


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    try:
        open_client(SENDER)
    except LibraryUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module", autouse=True)
def _measured_once() -> Iterator[None]:
    """Nothing is repeated because of other processes: how much they used is not asserted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(undisturbed, "MOST_ATTEMPTS", 1)
        yield


def _measured(contenders: Sequence[Contender], bare: Mapping[str, runtimes.Contender] | None = None) -> Session:
    session = Session(contenders, bare or {}, GENERATOR, SHORT)
    session.run(1)
    return session


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """One short round of Tandem's service, its whole product, the plain peer and the bare loops."""
    peers = Peers(tmp_path_factory.mktemp("peers"), GENERATOR)
    return _measured([*tandem(), peers.plain()], loops(MODEL))


def test_every_contender_has_all_figures_of_all_works(session: Session) -> None:
    assert session.figures.failures == []
    spreads = session.figures.spreads()
    for workload in SHORT.loads:
        for figure in ("images_per_second", "p50_ms", "p99_ms", "cpu_ms", "client_cpu_ms", "client_cores"):
            assert set(spreads[f"{workload.name}.{figure}"]) == {DIRECT, EQUAL, PRODUCT, PLAIN}
            assert all(each.value > 0 for each in spreads[f"{workload.name}.{figure}"].values())
    assert spreads["levels_off"][DIRECT].value < 6  # in int8
    assert spreads["bare.64.images_per_second"][FP32].value > 0


def test_the_page_compares_them_and_names_who_is_missing(session: Session) -> None:
    spreads = session.figures.spreads()
    assert set(spreads["1x64.to_python_peer"]) == set(spreads["share_of_bare"]) == {NOW}
    more = {"runtime": session.runtime, "contenders": [DIRECT, PRODUCT, PLAIN], "loops": [FP32], "peers": {}}
    more["absent"] = {"mosec": "no"}
    results = Results("parallel", surroundings(), bars([]), 1, spreads, [], 1.0, more)
    text = page(results)
    assert "- mosec is missing: no" in text
    assert text.count(f"| {PLAIN} | ") == len(SHORT.loads)
    assert "| both in int8 in OpenVINO: over mosec with batches of 16 | - |" in text
    assert results.as_json()["bars"][0]["is_met"] in (True, False)


def test_a_contender_that_draws_other_images_is_left_out_and_the_others_are_measured() -> None:
    direct, *_ = tandem()
    liar = Contender(
        "liar", replace(TANDEM, explicit=lambda latents, labels: TANDEM.explicit(-latents, labels)), direct.start
    )
    found = _measured([liar, direct])
    assert len(found.figures.failures) == 1
    assert "liar: other images came back" in found.figures.failures[0]
    assert set(found.figures.spreads()["1x1.images_per_second"]) == {DIRECT}


def test_a_contender_that_does_not_start_is_told_with_its_last_words() -> None:
    @contextmanager
    def refusing() -> Iterator[Service]:
        with Peers(Path(), Path("no-such-file.onnx")).plain().start() as served:
            yield served

    found = _measured([Contender("broken", TANDEM, refusing)])
    assert len(found.figures.failures) == 1
    assert "no-such-file.onnx" in found.figures.failures[0]
