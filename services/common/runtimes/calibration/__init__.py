"""Which way to run a model is the best on this machine: candidates, what they must agree with, how fast they are."""
