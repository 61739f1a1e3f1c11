"""Models in Hugging Face directories."""
