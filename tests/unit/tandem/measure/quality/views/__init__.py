"""What each view sees, on images whose features are known."""
