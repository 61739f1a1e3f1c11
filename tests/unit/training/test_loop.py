"""A training in slices is the training in one go."""

import dataclasses
import itertools
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from services.common.machine import this_machine
from training import loop
from training.image_kind import FASHION


@dataclass(frozen=True)
class Recipe:
    steps: int = 250
    rate: float = 0.1
    batch_size: int = 1
    seed: int = 0


class Line(loop.Trainer[Recipe]):
    """Fits a line. In step `breaks_at` it gets a signal, or it raises one."""

    def __init__(self, recipe: Recipe, breaks_at: int = -1, fault: int | BaseException = signal.SIGINT) -> None:
        super().__init__(recipe, FASHION)
        self.model = torch.nn.Linear(1, 1)
        self.optimiser = torch.optim.Adam(self.model.parameters(), recipe.rate)
        self._breaks_at, self._fault = breaks_at, fault

    def batches(self, first_step: int) -> Iterator[tuple[Tensor]]:
        return ((torch.tensor([[float(step % 7)]]),) for step in itertools.count(first_step))

    def step(self, *batch: Tensor) -> dict[str, float]:
        if self.step_index == self._breaks_at:
            if isinstance(self._fault, BaseException):
                raise self._fault
            os.kill(os.getpid(), self._fault)
        (x,) = batch
        loss = (self.model(x) - 3 * x).square().mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return {"loss": loss.item()}

    def snapshot(self, folder: Path) -> dict[str, float]:
        (folder / f"model-{self.step_index:06d}.safetensors").touch()
        return {"weight": self.model.weight.item()}


def run(folder: Path, trainer: Line, snapshot_every: int = 60) -> Line:
    loop.run(trainer, folder, snapshot_every=snapshot_every)
    return trainer


def logged(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "processor_seconds"} for line in lines]


def test_a_signal_ends_it_with_the_step_kept_that_it_came_in(tmp_path):
    number = signal.SIGTERM
    usual = signal.getsignal(number)
    interrupted = Line(Recipe(), breaks_at=33, fault=number)
    with pytest.raises(SystemExit) as ended:
        run(tmp_path, interrupted)
    assert ended.value.code == 128 + number
    assert signal.getsignal(number) is usual
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["step_index"] == 34
    assert torch.equal(state["model"]["weight"], interrupted.model.weight)


@pytest.mark.parametrize("fault", [signal.SIGINT, RuntimeError("a fault")])
def test_after_a_break_it_goes_on_from_the_checkpoint_as_if_nothing_had_happened(tmp_path, fault):
    whole = run(tmp_path / "whole", Line(Recipe()))
    with pytest.raises((SystemExit, RuntimeError)):
        run(tmp_path / "parts", Line(Recipe(), 230, fault))
    resumed = run(tmp_path / "parts", Line(Recipe()))
    assert torch.equal(whole.model.weight, resumed.model.weight)
    assert logged(tmp_path / "parts") == logged(tmp_path / "whole")
    assert [line["step"] for line in logged(tmp_path / "whole")] == [60, 100, 120, 180, 200, 240, 250]


def test_a_slice_ends_by_time_and_leaves_a_checkpoint(tmp_path):
    trainer = Line(Recipe())
    loop.run(trainer, tmp_path, seconds=-1.0, snapshot_every=60)
    assert trainer.step_index == 0
    assert (tmp_path / "checkpoint.pt").exists()


def test_two_recipes_do_not_mix(tmp_path):
    run(tmp_path, Line(Recipe(steps=5)))
    with pytest.raises(SystemExit, match="another recipe"):
        run(tmp_path, Line(Recipe(steps=6)))


def test_the_best_snapshot_has_the_least_figures_together_of_those_measured(tmp_path):
    figures = {60: (0.9, 1.0), 70: (0.6, 0.9), 80: (0.5, 1.1), 90: (0.1, 0.1)}
    lines = [{"step": step, "restored_fid": r, "drawn_fid": d} for step, (r, d) in figures.items()]
    (tmp_path / "log.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in [{"step": 50, "loss": 0.1}, *lines])
    )
    for step in (50, 60, 70, 80):
        (tmp_path / f"model-{step:06d}.safetensors").touch()
    assert loop.best(tmp_path, "model-*.safetensors", "_fid").name == "model-000070.safetensors"
    with pytest.raises(SystemExit, match="measured no snapshot"):
        loop.best(tmp_path, "model-*.safetensors", "_bits")


@pytest.mark.parametrize(("instructions", "native"), [(("avx2", "avx512f"), False), (("avx512f", "amx_bf16"), True)])
def test_bfloat16_is_used_where_the_processor_multiplies_in_it(monkeypatch, instructions, native):
    machine = dataclasses.replace(this_machine(), instructions=instructions)
    monkeypatch.setattr(loop, "this_machine", lambda: machine)
    monkeypatch.setattr(loop, "device", lambda: torch.device("cpu"))
    loop._multiplies_bfloat16.cache_clear()
    matrix = torch.ones(2, 2)
    try:
        with loop.mixed_precision():
            assert (matrix @ matrix).dtype == (torch.bfloat16 if native else torch.float32)
    finally:
        loop._multiplies_bfloat16.cache_clear()


@torch.no_grad()
def test_an_average_forgets_its_start_and_counts_are_copied():
    module = torch.nn.BatchNorm1d(1)
    moving, expected = loop.average(module, 0.8), 0.0
    for step in range(20):
        module.weight.fill_(step)
        module.num_batches_tracked.fill_(step)
        moving.update_parameters(module)
        decay = min(0.8, (1 + step) / (10 + step)) if step else 0.0
        expected = decay * expected + (1 - decay) * step
    assert moving.module.weight.item() == pytest.approx(expected)
    assert moving.module.num_batches_tracked.item() == 19
