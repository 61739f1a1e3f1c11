"""A peer that cannot be had is missing with a reason."""

from pathlib import Path

from benchmarks.parallel.peers import Peers
from benchmarks.peers.installing import CannotSetUp


def test_a_peer_that_cannot_be_had_is_named_and_the_others_stay(tmp_path: Path) -> None:
    peers = Peers(tmp_path, Path("generator.onnx"))

    def unavailable() -> str:
        raise CannotSetUp("protoc is not installed")

    assert peers.had("C++ reference", unavailable) is None
    assert peers.had("mosec", lambda: "made") == "made"
    assert peers.absent == {"C++ reference": "protoc is not installed"}
