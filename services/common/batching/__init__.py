"""Batching while busy: requests that arrive while all instances of a model run make up the next batches."""
