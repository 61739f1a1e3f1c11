"""A peer that cannot be had is missing with a reason, and the others stay."""

from pathlib import Path

import pytest

from benchmarks.parallel.bars import NATIVE, PLAIN
from benchmarks.parallel.peers import Peers


def test_a_peer_that_cannot_be_had_is_named_and_the_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    peers = Peers(tmp_path, Path("generator.onnx"))
    assert [contender.name for contender in peers.contenders([NATIVE, PLAIN])] == [PLAIN]
    assert peers.absent == {NATIVE: "apt-get is not installed"}
