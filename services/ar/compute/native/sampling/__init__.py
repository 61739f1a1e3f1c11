"""Sampling by the kernel, in its own threads: the inputs of a step's rows for the C++ code, and its results."""
