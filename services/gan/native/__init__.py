"""Latents and classes by a compiled library: see `services.gan.generator_batch`."""
