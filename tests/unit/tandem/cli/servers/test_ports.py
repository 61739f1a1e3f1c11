"""Ports that are free and ports that are not."""

import os
import socket
import sys

import pytest

from tandem.cli.servers.plan import Ports, PortTaken
from tandem.cli.servers.ports import free_ports, is_free, listener


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports(6)
    assert len(set(ports)) == 6
    assert all(is_free(port) for port in ports)
    assert max(ports) < 32_768  # the first that Linux gives to an outgoing connection


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_who_listens_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not is_free(port)
        assert f"(pid {os.getpid()})" in (listener(port) or "")


def test_a_port_wanted_twice_names_both_options() -> None:
    port, *others = free_ports(6)
    with pytest.raises(PortTaken, match=f"port {port} is wanted by both --port and --gan-port"):
        Ports(port, *others[:3], port, others[3]).check()
