"""The JSON that clients get."""
