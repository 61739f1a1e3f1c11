from pathlib import Path

import pytest

from benchmarks.peers.engines import PEERS, Need


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_listens_where_told_with_a_slot_a_request(name):
    engine = PEERS[name](Path("peers"))
    command = engine.command(Need(32, 256), 4321)
    assert command[command.index("--port") + 1] == "4321"
    if "--slots" in command:
        assert (command[command.index("--slots") + 1], command[command.index("--slot-tokens") + 1]) == ("32", "256")
    else:  # one server for all needs
        assert command == engine.command(Need(1, 2048), 4321)
