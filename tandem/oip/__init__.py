"""Stubs of the Open Inference Protocol with Triton's extensions, generated from protos/triton by `make stubs`."""
