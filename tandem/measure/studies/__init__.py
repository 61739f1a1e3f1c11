"""Studies: which loads are measured in which order, and what follows from them together."""
