"""Without real images a tradeoff is still worth measuring; that its quality is not is said."""

import io

import pytest
from rich.console import Console

from bench.quality import reference
from tandem.cli.bench_tradeoff import _has_real_images
from tandem.cli.terminal import Terminal


@pytest.mark.parametrize("is_installed", [True, False])
def test_missing_images_are_told_of(monkeypatch, is_installed):
    def load_split(name):
        if not is_installed:
            raise FileNotFoundError(f"{name} is missing: install it")
        return [], []

    monkeypatch.setattr(reference, "load_split", load_split)
    terminal, shown = Terminal(), io.StringIO()
    terminal.err = Console(file=shown, width=100)
    assert _has_real_images(terminal) is is_installed
    assert ("quality will not be measured: train is missing" in shown.getvalue()) is not is_installed
