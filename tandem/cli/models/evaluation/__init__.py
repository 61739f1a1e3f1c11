"""`tandem models evaluate`: the quality of an image model."""
