"""What the refinement starts from, and what it may change."""
