"""What the steps run on, and how much they do there: a card; in a rehearsal the CPU, small models and a moment."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.gpu.card import Card
from benchmarks.harness.backend import TEXT_MODEL
from benchmarks.harness.processes import ROOT
from services.common.runtimes.configuration import ProviderChoice
from tandem.shared.models import Model, ModelError, ModelRepository

MODELS = ROOT / "models"
SMALL_TEXT_MODEL = "text-forward"
"""Comes with the repository: of use where there is no network and the usual one was never pulled."""


@dataclass(frozen=True)
class Stage:
    """`streams`: texts at a time; `batches`: images a request; `seconds` of each load; `joules`: what the card has used
    since some time, NaN where nothing tells.
    """

    device: ProviderChoice
    text: Model
    joules: Callable[[], float]
    streams: tuple[int, ...] = (1, 8, 32, 64)
    batches: tuple[int, ...] = (1, 64, 512)
    num_questions: int = 20
    seconds: float = 3.0
    copied_bytes: int = 2**30

    @property
    def is_rehearsal(self) -> bool:
        return self.device == "cpu"


def stage_of(card: Card | None) -> Stage:
    """Return the stage of a card; None: a rehearsal's. The settings of servers started from here name the device, so
    that none falls back to another in silence.
    """
    repository = ModelRepository(MODELS)
    device: ProviderChoice = "cuda" if card else "cpu"
    os.environ |= {"TANDEM_AR_DEVICE": device, "TANDEM_GAN_PROVIDER": device}
    if card is None:
        few: dict[str, Any] = {"streams": (1, 3), "batches": (1, 8), "num_questions": 1}
        small = repository.get(SMALL_TEXT_MODEL)
        return Stage(device, small, lambda: math.nan, **few, seconds=0.3, copied_bytes=2**22)
    text = repository.get(TEXT_MODEL)
    try:
        text.transformer_path()
    except ModelError:
        text = repository.get(SMALL_TEXT_MODEL)
    return Stage(device, text, card.joules)
