"""Requests over HTTP/1.1 and their answers, whole or as server-sent events."""
