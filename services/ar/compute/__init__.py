"""Computes the engine's steps: by torch, by the C++ kernel, or on a GPU."""
