"""The whole plan without a GPU: every step, on servers of small models."""

import json
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu.plan import STEPS
from benchmarks.gpu.services import PARALLEL, SEQUENTIAL, started
from benchmarks.gpu.stage import stage_of
from benchmarks.harness.backend import AR_MODEL, GAN_MODEL

LIMIT_SECONDS = 400.0  # of a busy machine
NEED_MORE = ("joules", "peer")
"""What finds nothing without a card, or without vLLM."""


@pytest.mark.parametrize("step", STEPS, ids=[step.name for step in STEPS])
def test_a_step_ends_well_and_finds_what_its_bars_are_of(step, tmp_path):
    document = gpu.measure([replace(step, limit_seconds=LIMIT_SECONDS)], None, 0, tmp_path)
    assert document["failures"] == [], (tmp_path / "rehearsal" / f"{step.name}.log").read_text()
    assert document["title"] == gpu.REHEARSAL_TITLE
    found = json.loads((tmp_path / "rehearsal" / f"{step.name}.json").read_text())["figures"]
    assert {figure for bar in step.bars for figure in bar.figures} <= found.keys()
    assert found or step.name in NEED_MORE


@pytest.fixture
def stage(monkeypatch):
    for name in ("TANDEM_AR_DEVICE", "TANDEM_GAN_PROVIDER"):
        monkeypatch.setenv(name, "cpu")
    return stage_of(None)


@pytest.mark.parametrize(("module", "name"), [(SEQUENTIAL, AR_MODEL), (PARALLEL, GAN_MODEL)])
def test_a_service_that_fell_back_to_the_cpu_is_no_success_on_a_card(module, name, stage):
    with (
        pytest.raises(RuntimeError, match=rf"{name} runs on .*, not on .*(cuda|CUDA)"),
        started(replace(stage, device="cuda"), module, name),
    ):
        pass
