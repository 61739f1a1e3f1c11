"""Speculative decoding: where drafts of the next tokens come from, and how large they are."""
