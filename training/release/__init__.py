"""What is measured once, when a trained model is released, and committed beside it."""
