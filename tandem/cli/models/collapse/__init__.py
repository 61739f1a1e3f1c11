"""`tandem collapse`: whether monitoring notices a generator whose images all look alike."""
