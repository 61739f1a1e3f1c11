"""The parallel paradigm: a GAN generator that returns a whole batch in one pass."""
