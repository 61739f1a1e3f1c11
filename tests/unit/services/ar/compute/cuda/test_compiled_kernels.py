"""The kernels as they are compiled for cards, on a machine without: registers, spilled bytes and shared memory."""

import importlib.util
import json
import subprocess

import pytest

from tests import triton_kernels
from tests.triton_kernels import ARCHITECTURES, BOUNDS, check


@pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="Triton (691 MB) is not installed: pip install triton"
)
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_kernels_take_no_more_of_a_processor_than_they_may(arch):
    assert check(arch) == []


def test_what_is_over_a_bound_is_told(monkeypatch):
    taken = {name: bound._asdict() for name, bound in BOUNDS.items()}
    taken["write, float32"]["registers"] += 1
    taken["gate, float32"]["spilled_bytes"] = 4
    taken["combine, bfloat16"]["shared_bytes"] += 1
    taken["new, bfloat16"] = taken["rotate, bfloat16"]
    done = subprocess.CompletedProcess((), 0, stdout=json.dumps(taken))
    monkeypatch.setattr(triton_kernels.subprocess, "run", lambda *_, **__: done)
    names = ["new", "combine", "write", "gate"]
    assert [line.split()[1].rstrip(",") for line in check("sm_90")] == names
