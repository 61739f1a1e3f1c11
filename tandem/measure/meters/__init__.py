"""What is read of machines while they are measured: processor time, and what they are."""
