"""Requests over HTTP/1.1 and their replies, whole or as server-sent events."""
