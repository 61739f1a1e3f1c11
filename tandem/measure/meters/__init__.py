"""What is read of machines while they are measured: processor time, energy, and what they are."""
