"""The load generator: open and closed loop, in processes of its own, and the audit of itself."""
