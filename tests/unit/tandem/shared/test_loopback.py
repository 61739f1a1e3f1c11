"""Which addresses other machines can reach."""

import pytest

from tandem.shared.loopback import is_local, is_loopback

ANY = "0.0.0.0"  # noqa: S104


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "[::1]", "localhost"])
def test_this_machine_only(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", [ANY, "::", "[::]", "", "10.0.0.1", "192.168.1.2", "fe80::1", "gpu-box", "128.0.0.1"])
def test_others_as_well(host):
    assert not is_loopback(host)


@pytest.mark.parametrize("address", ["127.0.0.1:50050", "localhost:1", "[::1]:1"])
def test_addresses_of_this_machine(address):
    assert is_local(address)


@pytest.mark.parametrize("address", ["127.evil.example:1", "localhost.example:1", "gateway.example:1", "10.0.0.1:1"])
def test_addresses_of_others_however_they_begin(address):
    assert not is_local(address)
