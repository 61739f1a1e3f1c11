"""Tokenizers as GGUF files describe them."""
