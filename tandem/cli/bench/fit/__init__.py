"""`tandem bench fit`: service curves, and what they predict."""
