"""`tandem bench` and `tandem race`: measuring."""
