"""`tandem race`: a comparison to watch."""
