"""The charts of a report: as data, as plotly's JSON, and as PNGs."""
