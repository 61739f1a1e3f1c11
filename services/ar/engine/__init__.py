"""Schedule, run, commit: which sequences run in the next step, on which blocks. Plain Python without torch."""
