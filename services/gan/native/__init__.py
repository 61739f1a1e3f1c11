"""Latents and classes by a compiled library: see `services.gan.batch_latents`."""
