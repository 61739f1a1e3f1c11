"""The graphs of a rehearsal: the engine's own steps, with graphs that only note what is done with them."""

from dataclasses import replace
from functools import partial

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

from benchmarks.gpu.stage import stage_of
from benchmarks.gpu.text import Recorder, decode, graphs
from benchmarks.harness.figures import NOW, Figures
from services.ar.compute.cuda.graphs import StepGraphs, ladder


@pytest.fixture
def stage(monkeypatch):
    for name in ("TANDEM_AR_DEVICE", "TANDEM_GAN_PROVIDER"):
        monkeypatch.setenv(name, "cpu")
    return replace(stage_of(None), streams=(1, 9))


def found(work, stage) -> dict[str, float]:
    figures = Figures()
    work(stage, figures)
    return {name: values[NOW].value for name, values in figures.spreads().items()}


def test_graphs_are_captured_from_the_largest_on_once_each_and_only_then_launched():
    did = []
    recorder = Recorder(lambda run: partial(did.append, f"launched {run.args[0]}"))
    steps = StepGraphs(lambda size: did.append(f"ran {size}"), 4, recorder)
    steps.warm_up(lambda size: did.append(f"prepared {size}"))
    assert did == [f"{what} {size}" for size in (4, 2, 1) for what in ("prepared", "ran")]
    assert recorder.captured == [4, 2, 1] == ladder(4)[::-1]
    for size in (4, 4, 1):
        steps(size)
    assert did[6:] == ["launched 4", "launched 4", "launched 1"]
    assert recorder.launched == {4: 2, 1: 1}


def test_each_graph_is_launched_twice_and_in_a_second_shape(stage):
    assert found(graphs, stage) == {
        "graphs.sizes": len(ladder(9)),
        "graphs.captured_once": 1,
        "graphs.captured_later": 0,
        "graphs.fewest_launches": 4,
        "graphs.changed_replays": 0,
        "graphs.distance": pytest.approx(0.0, abs=1e-5),
    }


def test_a_graph_that_is_stale_at_its_second_launch_is_found(stage, monkeypatch):
    """Later launches of a graph leave the logits as they were."""

    class Stale(Recorder):
        def __call__(self, run):
            first = iter([run])
            return super().__call__(partial(lambda size: next(first, int)(), *run.args))

    monkeypatch.setattr("benchmarks.gpu.text.Recorder", Stale)
    assert found(graphs, stage)["graphs.distance"] > 0.1


def test_steps_are_timed_beside_the_bandwidth(stage):
    figures = found(decode, stage)
    assert figures.keys() == {
        "decode.copied_bytes_per_second",
        *(f"decode.{count}.{name}" for count in (1, 9) for name in ("step_ms", "share_of_floor")),
    }
    assert all(value > 0 for value in figures.values())
