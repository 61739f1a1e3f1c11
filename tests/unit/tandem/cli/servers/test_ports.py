"""Ports that are free and ports that are not."""

import pytest

from tandem.cli.servers import ports as module
from tandem.cli.servers.plan import Ports, PortTaken
from tandem.cli.servers.ports import free_ports, is_free


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports(6)
    assert len(set(ports)) == 6
    assert all(is_free(port) for port in ports)
    assert max(ports) < 32_768  # the first that Linux gives to an outgoing connection


def test_no_port_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PORTS", range(20_000, 20_040))
    monkeypatch.setattr(module, "_given", set())
    first = free_ports(10)
    assert not set(first) & set(free_ports(10))


def test_a_port_wanted_twice_names_both_options() -> None:
    port, *others = free_ports(6)
    with pytest.raises(PortTaken, match=f"port {port} is wanted by both --port and --gan-port"):
        Ports(port, *others[:3], port, others[3]).check()
