"""What holding outputs to a constraint costs the engine."""
