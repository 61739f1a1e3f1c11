"""`tandem bench compare`: both paradigms with matched work."""
