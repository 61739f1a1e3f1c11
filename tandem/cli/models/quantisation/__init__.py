"""Generators in int8: made from one in float32, and what that costs in quality."""
