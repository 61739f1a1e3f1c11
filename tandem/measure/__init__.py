"""What `tandem bench`, `race` and `models evaluate` run: load, meters, quality, studies and reports."""
