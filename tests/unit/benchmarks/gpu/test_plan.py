"""The plan: ten minutes, and each step can be carried out."""

from importlib import import_module

import pytest

from benchmarks.gpu.plan import STEPS

NAMES = [step.name for step in STEPS]


def test_all_steps_together_take_ten_minutes_at_most():
    assert sum(step.limit_seconds for step in STEPS) <= 600
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("step", STEPS, ids=NAMES)
def test_a_step_has_its_function_and_bars_on_its_own_figures(step):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    module, function = step.work.split(".")
    assert callable(getattr(import_module(f"benchmarks.gpu.{module}"), function))
    assert all(figure.split(".")[0] == step.name for bar in step.bars for figure in bar.figures)
