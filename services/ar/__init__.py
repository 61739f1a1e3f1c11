"""The sequential paradigm: a transformer that generates one token after another from a paged KV cache."""
