"""The charts of a report: as data, and as pictures."""
