"""`tandem models check-seeds`: whether a seed gives the same output everywhere."""
