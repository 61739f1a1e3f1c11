from pathlib import Path

import pytest

from benchmarks.peers.engine import Need
from benchmarks.peers.engines import PEERS
from benchmarks.side_by_side.tandem_engine import tandem
from benchmarks.side_by_side.workloads import WORKLOADS

HOME, GGUF = Path("peers"), Path("model.gguf")


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_listens_on_loopback_alone_and_only_where_told(name):
    command = PEERS[name](HOME, GGUF).command(Need(8, 2048), 4321)
    assert command[command.index("--port") + 1] == "4321"
    if "--host" in command:  # else our own server of it, which binds to loopback
        assert command[command.index("--host") + 1] == "127.0.0.1"


def test_names_differ():
    names = [PEERS[name](HOME, GGUF).name for name in PEERS]
    assert len(set(names)) == len(names)


def test_needs_that_differ_only_in_what_a_server_ignores_share_one():
    vllm = PEERS["vllm"](HOME, GGUF)
    assert len({vllm.command(workload.need, 0) for workload in WORKLOADS}) == 1
    assert len({tandem("model", "auto").command(workload.need, 0) for workload in WORKLOADS}) == 2


@pytest.mark.parametrize("name", ["llama-q4_1", "ik-q4_0"])
def test_llama_cpp_has_a_slot_a_request(name):
    command = PEERS[name](HOME, GGUF).command(Need(32, 256), 1)
    assert command[command.index("--slots") + 1] == "32"
    assert command[command.index("--slot-tokens") + 1] == "256"
