"""What a card's steps run on: the usual text model, and where that was never pulled, the one that comes along."""

import math
import os

import pytest

from benchmarks.gpu.stage import SMALL_TEXT_MODEL, stage_of
from benchmarks.harness.backend import TEXT_MODEL
from tandem.shared.models import Model, ModelError


class FakeCard:
    def joules(self) -> float:
        return 7.0


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch):
    for name in ("TANDEM_AR_DEVICE", "TANDEM_GAN_PROVIDER"):
        monkeypatch.setenv(name, "auto")


@pytest.mark.parametrize("is_pulled", [True, False])
def test_on_a_card_servers_are_told_to_run_there_and_nowhere_else(is_pulled, monkeypatch):
    def transformer_path(model):
        if not is_pulled:
            raise ModelError("not downloaded yet")

    monkeypatch.setattr(Model, "transformer_path", transformer_path)
    stage = stage_of(FakeCard())
    assert (stage.device, stage.is_rehearsal, stage.joules()) == ("cuda", False, 7.0)
    assert stage.text.name == (TEXT_MODEL if is_pulled else SMALL_TEXT_MODEL)
    assert os.environ["TANDEM_AR_DEVICE"] == os.environ["TANDEM_GAN_PROVIDER"] == "cuda"


def test_a_rehearsal_runs_on_the_cpu_and_tells_no_energy():
    stage = stage_of(None)
    assert (stage.device, stage.is_rehearsal, stage.text.name) == ("cpu", True, SMALL_TEXT_MODEL)
    assert math.isnan(stage.joules())
    assert os.environ["TANDEM_AR_DEVICE"] == os.environ["TANDEM_GAN_PROVIDER"] == "cpu"
