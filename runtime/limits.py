"""Limits that servers and the messages they accept or send have in common."""

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""Bytes of one gRPC message that clients accept by default."""
