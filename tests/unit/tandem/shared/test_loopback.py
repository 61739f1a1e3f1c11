"""Which addresses other machines can reach."""

from tandem.shared.loopback import is_local, is_loopback

ANY = "0.0.0.0"  # noqa: S104


def test_hosts_and_addresses_of_this_machine_and_of_others_however_they_begin():
    own = ["127.0.0.1", "127.8.9.10", "::1", "[::1]", "localhost"]
    others = [ANY, "::", "[::]", "", "10.0.0.1", "192.168.1.2", "fe80::1", "gpu-box", "128.0.0.1"]
    assert [host for host in own + others if is_loopback(host)] == own
    own = ["127.0.0.1:50050", "localhost:1", "[::1]:1"]
    others = ["127.evil.example:1", "localhost.example:1", "gateway.example:1", "10.0.0.1:1"]
    assert [address for address in own + others if is_local(address)] == own
