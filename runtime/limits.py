"""Limits that servers and the messages they accept or send have in common."""

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""Of one gRPC message: what clients accept unless told otherwise."""
