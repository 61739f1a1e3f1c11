"""The bodies that clients send, checked as far as the protocol must; the backends check the ranges."""
