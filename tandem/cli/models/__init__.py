"""`tandem models` and `tandem collapse`: the model repository, and how good its models are."""
