"""Steps computed by torch."""
