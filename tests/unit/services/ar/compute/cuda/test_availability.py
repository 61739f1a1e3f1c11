"""Where there is no Triton the reason says so, and nobody had to import it."""

import importlib.util

import pytest
import torch

from services.ar.compute.cuda.availability import what_is_missing


@pytest.mark.skipif(importlib.util.find_spec("triton") is not None, reason="Triton is installed")
def test_what_is_missing_is_named():
    assert "No module named 'triton'" in str(what_is_missing(torch.device("cpu")))
