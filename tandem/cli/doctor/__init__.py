"""`tandem doctor`: what this machine offers."""
