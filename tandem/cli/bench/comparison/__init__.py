"""`tandem bench compare`: both paradigms with matched workloads."""
