"""The loop of every training here: resumable in slices, with a progress bar, a JSON log and images as it goes.

A run's folder holds `log.jsonl` (a line each LOG_EVERY steps and snapshot), `checkpoint.pt`, `images.json` and what
the trainer's `snapshot` writes: weights and an image of samples. Ctrl-C and SIGTERM end a run after the step that it is
in. Started again, it goes on from its checkpoint. Knows no model.
"""

import argparse
import json
import math
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any, Generic, TypeVar

import torch
from rich.progress import Progress, TimeRemainingColumn
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from services.common.machine import this_machine
from training.dataset import image_batches
from training.image_kind import ImageKind

LOG_EVERY = 100
NATIVE_BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Instruction sets of CPUs that multiply in bfloat16."""

Batch = tuple[Tensor, ...]
Recipe = TypeVar("Recipe")
Averaged = tuple[Tensor, ...] | list[Tensor]


class Trainer(Generic[Recipe]):
    """Owns the networks and their optimisers; a checkpoint holds all whose names are public.

    The recipe, a dataclass with everything that decides the outcome, is kept in the checkpoint, so that a slice cannot
    mix two of them.
    """

    BATCH_SEED = 0
    """Added to the recipe's seed where images are shuffled."""

    def __init__(self, recipe: Recipe, kind: ImageKind | None, images: tuple[Tensor, Tensor] | None = None) -> None:
        self.recipe = recipe
        self.kind: Any = kind  # None: it is not trained on images
        self.step_index = 0
        self._images = images
        torch.manual_seed(recipe.seed)  # type: ignore[attr-defined]

    def kept(self) -> dict[str, Any]:
        """Return what has a state for a checkpoint to hold, by name."""
        return {name: part for name, part in vars(self).items() if hasattr(part, "state_dict") and name[0] != "_"}

    def batches(self, first_step: int) -> Iterator[Batch]:
        """Yield what is learnt from, a batch a step: the images in -1..1 with their labels, unless it is overridden."""
        recipe: Any = self.recipe
        assert self._images is not None
        return image_batches(self._images, recipe.batch_size, recipe.seed + self.BATCH_SEED, first_step)

    def step(self, *batch: Tensor) -> dict[str, float]:
        """Train on one batch and return what the log shall hold of it."""
        raise NotImplementedError

    def snapshot(self, folder: Path) -> dict[str, float]:
        """Write weights and an image for this step; return what was measured on the way, if anything."""
        raise NotImplementedError

    def write_weights(self, module: nn.Module, folder: Path, name: str) -> None:
        """Write the weights of this step; a transformer's head is its embedding, and left out."""
        state = {key: part.contiguous() for key, part in module.state_dict().items() if key != "head.weight"}
        save_file(state, folder / f"{name}-{self.step_index:06d}.safetensors")


def descend(
    loss: Tensor, optimiser: torch.optim.Optimizer, schedule: Any = None, clipped: Sequence[Tensor] = ()
) -> None:
    """Take one step down the gradient of a loss, cut off at norm 1 for `clipped`, and the schedule's next one."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(clipped, 1.0)
    optimiser.step()
    if schedule is not None:
        schedule.step()


def hinge_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return a discriminator's loss, of its scores of real and of made images."""
    return torch.relu(1 - real).mean() + torch.relu(1 + fake).mean()


def device() -> torch.device:
    """Return where to train: a GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mixed_precision() -> torch.autocast:
    """Return a context for a step of training: products are in bfloat16 if the device has instructions for it.

    A CPU without them emulates bfloat16, which takes ten times as long as float32.
    """
    return torch.autocast(device().type, torch.bfloat16, enabled=_multiplies_bfloat16())


@cache
def _multiplies_bfloat16() -> bool:
    return device().type == "cuda" or not NATIVE_BFLOAT16.isdisjoint(this_machine().instructions)


def average(module: nn.Module, decay: float, use_buffers: bool = True) -> AveragedModel:
    """Return the moving average of a network's weights, the one to serve, to be updated after each step.

    Its memory is short at first, so that a short training does not carry its random first weights along.
    """

    @torch.no_grad()
    def update(averages: Averaged, current: Averaged, step: Tensor | int) -> None:
        if averages[0].is_floating_point():
            torch._foreach_lerp_(averages, current, 1 - min(decay, (1 + int(step)) / (10 + int(step))))
        else:
            for mean, value in zip(averages, current, strict=True):
                mean.copy_(value)  # counts

    return AveragedModel(module, multi_avg_fn=update, use_buffers=use_buffers)


def to_device(module: Any) -> Any:
    """Return a network of convolutions where it is trained, its weights in the order that is fastest there."""
    return module.to(device(), memory_format=torch.channels_last)


def train(trainer: Trainer[Any], options: argparse.Namespace) -> None:
    """Run a training as the options of its command say."""
    run(trainer, options.out, seconds=options.slice_seconds, snapshot_every=options.snapshot_every)


def run(trainer: Trainer[Any], folder: Path, *, snapshot_every: int, seconds: float = math.inf) -> None:
    """Train until the recipe's last step or until `seconds` are over, whichever comes first.

    Ends the command after a signal, when the step that it came in is done and kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if trainer.kind is not None:
        trainer.kind.note(folder)
    offset = _restore(trainer, folder) - time.process_time()
    started, last = time.monotonic(), trainer.recipe.steps
    columns = (*Progress.get_default_columns()[:-1], TimeRemainingColumn(elapsed_when_finished=True))
    with Progress(*columns) as progress, (folder / "log.jsonl").open("a") as log, _signals() as received:
        task = progress.add_task(folder.name, total=last, completed=trainer.step_index)
        for batch in trainer.batches(trainer.step_index):
            if trainer.step_index >= last or time.monotonic() - started > seconds or received:
                break
            values = trainer.step(*(part.to(device()) for part in batch))
            trainer.step_index += 1
            progress.advance(task)
            is_snapshot = trainer.step_index % snapshot_every == 0 or trainer.step_index == last
            if is_snapshot:
                values |= trainer.snapshot(folder)
                _keep(trainer, folder, offset)
            if trainer.step_index % LOG_EVERY == 0 or is_snapshot:
                line = {"step": trainer.step_index, "processor_seconds": _processor_seconds(offset), **values}
                print(json.dumps(line), file=log, flush=True)
    if received:
        _keep(trainer, folder, offset)
        print(f"{folder}: interrupted, and kept, at step {trainer.step_index} of {last}")
        raise SystemExit(128 + received[0])
    if trainer.step_index < last:
        trainer.snapshot(folder)
        _keep(trainer, folder, offset)
    print(f"{folder}: step {trainer.step_index} of {last}, {_processor_seconds(offset)} s of processor time")


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect the first SIGINT or SIGTERM instead of ending by it; another one ends the command as usual."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        restore()

    def restore() -> None:
        for number, before in usual.items():
            signal.signal(number, before)

    usual = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        restore()


def _processor_seconds(offset: float) -> float:
    """Return the processor time of a training, of all threads and slices: `offset` more than this process took."""
    return round(offset + time.process_time(), 1)


def _restore(trainer: Trainer[Any], folder: Path) -> float:
    """Return the processor time that the training has taken so far."""
    path, log = folder / "checkpoint.pt", folder / "log.jsonl"
    if not path.exists():
        return 0.0
    state = torch.load(path, weights_only=True, map_location=device())
    if state["recipe"] != asdict(trainer.recipe):
        raise SystemExit(f"error: {path} was made with another recipe: {state['recipe']}; choose another folder")
    trainer.step_index = state["step_index"]
    for name, part in trainer.kept().items():
        part.load_state_dict(state[name])
    # What was logged after the checkpoint is trained, and logged, again.
    lines = [line for line in log.read_text().splitlines(True) if json.loads(line)["step"] <= trainer.step_index]
    log.write_text("".join(lines))
    return float(state.get("processor_seconds", 0.0))


def _keep(trainer: Trainer[Any], folder: Path, offset: float) -> None:
    state = {
        "recipe": asdict(trainer.recipe),
        "step_index": trainer.step_index,
        "processor_seconds": _processor_seconds(offset),
        **{name: part.state_dict() for name, part in trainer.kept().items()},
    }
    partial = folder / "checkpoint.pt.partial"
    torch.save(state, partial)
    partial.replace(folder / "checkpoint.pt")


def newest(run: Path, pattern: str) -> Path:
    """Return the weights of the last snapshot of a run. Exits if there is none."""
    snapshots = sorted(run.glob(pattern))
    if not snapshots:
        there = sorted(path.name for path in run.glob("*.safetensors"))
        raise SystemExit(f"error: {run} has no snapshot {pattern}; there are: {', '.join(there) or 'none'}")
    return snapshots[-1]


def best(run: Path, pattern: str, figure: str) -> Path:
    """Return the weights of the snapshot of a run whose figures with `figure` in their names are least together.

    Exits if there is none.
    """
    measured = {}
    for line in map(json.loads, (run / "log.jsonl").read_text().splitlines()):
        path = run / pattern.replace("*", f"{line['step']:06d}")
        if any(figure in name for name in line) and path.exists():
            measured[path] = sum(value for name, value in line.items() if figure in name)
    if not measured:
        raise SystemExit(f"error: {run} has measured no snapshot yet")
    return min(measured, key=lambda path: measured[path])


def path_parser(description: str | None, **paths: str) -> argparse.ArgumentParser:
    """Return a parser of required paths, each an option with its help text."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    for name, text in paths.items():
        options.add_argument(f"--{name}", type=Path, required=True, help=text)
    return options


def parser(description: str | None, snapshot_every: int, **paths: str) -> argparse.ArgumentParser:
    """Return a parser of the options that every training has, and of required paths that only one has."""
    options = path_parser(description, out="folder for checkpoints, logs and images", **paths)
    options.add_argument("--data", type=Path, help="images and labels in an .npz file; default: Fashion-MNIST")
    add_options(options, snapshot_every)
    return options


def add_options(options: argparse.ArgumentParser, snapshot_every: int) -> None:
    """Add the options that trainings of every kind have."""
    options.add_argument("--effort", type=float, default=1.0, help="share of the recipe's steps")
    options.add_argument("--threads", type=int, default=1, help="of the processor; times are stated for one")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--slice-seconds", type=float, default=float("inf"), help="stop after this long")
    options.add_argument(
        "--snapshot-every", type=int, default=snapshot_every, help="steps between snapshots, of the whole effort"
    )


def parse(options: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options given, by the command line if `argv` is None, and take the threads that they allow."""
    given = options.parse_args(argv)
    given.snapshot_every = share_of(given.snapshot_every, given.effort)
    torch.set_num_threads(given.threads)
    return given


def scale(recipe: type[Recipe], options: argparse.Namespace, **settings: Any) -> Recipe:
    """Return a training's recipe with as many of its steps as its options ask for."""
    kind: Any = recipe
    return kind(share_of(kind.steps, options.effort), seed=options.seed, **settings)  # type: ignore[no-any-return]


def share_of(steps: int, effort: float) -> int:
    """Return how many of a recipe's steps, or of anything that goes with them, an effort comes to."""
    return max(1, round(steps * effort))
