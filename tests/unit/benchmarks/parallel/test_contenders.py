"""A peer that cannot be had says why, and the others stay."""

from pathlib import Path

import pytest

from benchmarks.parallel.bars import NATIVE, PLAIN
from benchmarks.parallel.contenders import Peers
from benchmarks.peers.installing import CannotSetUp


def test_a_peer_that_cannot_be_had_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    peers = Peers(tmp_path, Path("generator.onnx"))
    with pytest.raises(CannotSetUp, match="apt-get is not installed"):
        peers.set_up(NATIVE)
    assert peers.set_up(PLAIN).name == PLAIN
