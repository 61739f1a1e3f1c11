"""Sampling by the kernel, in its own threads: what the C++ here is told of a step's rows, and what it answers."""
