"""Tensors of the protocol: their types, what a request brings, what a reply carries. Knows nothing of models."""
