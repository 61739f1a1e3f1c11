"""Runtimes with nothing around them: how fast each way to run a generator is, and how good its images are."""
