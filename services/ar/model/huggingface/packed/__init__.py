"""Checkpoints whose matrices others have rounded to 4 or 8 bits and packed into integers of 32: a format each."""
