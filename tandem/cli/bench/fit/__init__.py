"""`tandem bench fit`: service curves, and the capacity within an objective."""
