"""`tandem bench compare` and `tandem race`: both paradigms with matched workloads."""
