"""The bodies that clients send, checked as far as the door must; the backends check the ranges."""
