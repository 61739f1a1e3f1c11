"""What a measurement yields: raw records, and one document for each kind of measurement."""
