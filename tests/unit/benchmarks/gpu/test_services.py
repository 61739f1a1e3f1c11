"""Energy: what a card has used while a load ran, over the tokens or images that came out of it."""

from contextlib import nullcontext
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.gpu import services
from benchmarks.harness.figures import NOW, Figures


class FakeRun:
    """Of four requests three end well, with 49 tokens each."""

    num_ok = 3
    is_ok = np.array([True, True, True, False])
    rows = {"num_outputs": np.array([49, 49, 49, 7])}


def test_energy_is_divided_by_what_came_out(monkeypatch):
    """A card uses 882 J between any two readings."""
    tester = SimpleNamespace(run=lambda *_, **__: FakeRun())
    monkeypatch.setattr(services, "service", lambda *_: nullcontext(SimpleNamespace(port=1)))
    monkeypatch.setattr(services, "open_tester", lambda *_: nullcontext(tester))
    readings = count(0, 882)
    stage = SimpleNamespace(
        joules=lambda: float(next(readings)), seconds=0.25, text=SimpleNamespace(name="text"), device="cuda"
    )
    figures = Figures()
    services.joules(stage, figures)
    found = {name: {who: value.value for who, value in of.items()} for name, of in figures.spreads().items()}
    assert found["joules.idle_watts"] == {NOW: 882 / 0.25}
    assert found["joules.per_output"] == pytest.approx(
        {"token": 882 / 147, "image in sequence": 882 / 3, "image in parallel": 882 / 192}
    )
