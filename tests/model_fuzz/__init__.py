"""Damaged model files against both loaders, in a child process with limits. See `driver.fuzz`."""

GGUF, HUGGINGFACE = "gguf", "huggingface"
"""The formats."""
