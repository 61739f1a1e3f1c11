from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.peers.engines import PEERS, Need, vllm
from benchmarks.peers.installing import CannotSetUp


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_listens_where_told_with_a_slot_a_request(name):
    engine = PEERS[name](Path("peers"))
    command = engine.command(Need(32, 256), 4321)
    assert command[command.index("--port") + 1] == "4321"
    if "--slots" in command:
        assert (command[command.index("--slots") + 1], command[command.index("--slot-tokens") + 1]) == ("32", "256")
    else:  # one server for all needs
        assert command == engine.command(Need(1, 2048), 4321)


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed")
def test_vllm_is_told_what_a_need_is_and_that_it_is_missing(tmp_path):
    (weights := tmp_path / "model.gguf").touch()
    for source, served in ((weights, tmp_path / "unpacked"), (tmp_path, tmp_path)):
        engine = vllm(source, tmp_path / "unpacked")
        command = engine.command(Need(32, 256), 4321)
        flags = dict(pairwise(command))
        wanted = {"--model": str(served), "--port": "4321", "--max-num-seqs": "32", "--max-model-len": "256"}
        assert wanted.items() <= flags.items()
    with pytest.raises(CannotSetUp, match="not installed"):
        engine.set_up()
