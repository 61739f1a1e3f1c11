"""What trainings of set-autoregressive models have in common: phases, learning rates and optimisers."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import torch
from torch import Tensor, nn

from services.ar.compute.torch.transformer import Transformer
from services.ar.model.config import ModelConfig
from training import loop
from training.image_kind import ImageKind
from training.transformer.train import initialise

WORTH_COMPILING = 500
"""Steps: compiling takes a minute."""


@dataclass(frozen=True)
class Phase:
    """Some steps of a training."""

    steps: int
    rate: float
    """What the learning rates are multiplied by."""
    real_share: float = 1.0
    """What share of a batch is real; the rest has been drawn by another model."""
    content_weight: float = 1.0
    """How much the loss at the content rows weighs, beside that at the MASK rows."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome."""

    phases: tuple[Phase, ...]
    """In every second one the learning rates fall to 0."""
    batch_size: int = 64
    matrix_learning_rate: float = 6e-3
    """Of Muon (Jordan et al. 2024) for the matrices of the layers, whose steps are scaled to the size of AdamW's."""
    learning_rate: float = 3e-3
    """Of AdamW for the embedding and the vectors."""
    weight_decay: float = 0.05
    seed: int = 0

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.phases)

    def with_effort(self, effort: float) -> Self:
        """Return the recipe with a share of the steps of each phase."""
        phases = (dataclasses.replace(phase, steps=loop.share_of(phase.steps, effort)) for phase in self.phases)
        return dataclasses.replace(self, phases=tuple(phases))

    def phase_of(self, step: int) -> Phase:
        """Return the phase of a step, the last one behind the end."""
        return self.phases[self._place_of(step)[0]]

    def _place_of(self, step: int) -> tuple[int, int]:
        """Return the number of a step's phase, and how many steps of it were before."""
        number = 0
        while number + 1 < len(self.phases) and step >= self.phases[number].steps:
            step -= self.phases[number].steps
            number += 1
        return number, step

    def rate(self, step: int) -> float:
        """Return what learning rates are multiplied by: they rise over at most 200 steps, stay, and fall in the next
        phase as 1 - sqrt (Haegele et al. 2024, arXiv 2405.18392).
        """
        number, before = self._place_of(step)
        phase = self.phases[number]
        done = before / phase.steps
        return phase.rate * (1 - math.sqrt(min(1.0, done)) if number % 2 else min(1.0, (before + 1) / 200))


AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)


class SetTrainer(loop.Trainer[AnyRecipe]):
    """Owns the model, and its optimisers. `losses` computes what is descended.

    Compiled, a step takes a third of the time; that needs a C++ compiler.
    """

    def __init__(self, recipe: AnyRecipe, kind: ImageKind | None, config: ModelConfig, losses: Any) -> None:
        super().__init__(recipe, kind)
        self.model = Transformer(config).to(loop.device())
        self.model.apply(initialise)
        self.model.prepare(config.max_context_tokens)
        matrices = [p for p in self.model.layers.parameters() if p.ndim == 2]
        vectors = [p for p in self.model.parameters() if p.ndim != 2]
        others = [
            {"params": [self.model.embedding.weight], "weight_decay": recipe.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        self.muon = torch.optim.Muon(
            matrices, recipe.matrix_learning_rate, recipe.weight_decay, adjust_lr_fn="match_rms_adamw"
        )
        self.adamw = torch.optim.AdamW(others, lr=recipe.learning_rate, betas=(0.9, 0.95))
        self.muon_schedule, self.adamw_schedule = (
            torch.optim.lr_scheduler.LambdaLR(optimiser, recipe.rate) for optimiser in (self.muon, self.adamw)
        )
        self.losses = torch.compile(losses) if recipe.steps >= WORTH_COMPILING else losses

    def descend(self, loss: Tensor) -> None:
        """Take one step down the gradient of a loss."""
        self.model.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for part in (self.muon, self.adamw, self.muon_schedule, self.adamw_schedule):
            part.step()


def draw_steps(count: int, most: int, source: torch.Generator) -> Tensor:
    """Return whole numbers [count], 1 to `most`, uniform in their logarithm."""
    return ((most + 1.0) ** torch.rand(count, generator=source) // 1).long()
