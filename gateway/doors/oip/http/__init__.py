"""The protocol over HTTP: JSON, with tensors in binary behind it where a client wants that."""
