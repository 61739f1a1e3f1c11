"""Shared libraries in C++ that are compiled on the machine that they run on, once, and kept."""
