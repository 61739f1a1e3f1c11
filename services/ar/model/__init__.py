"""The transformer: its configuration, its weights, and the files that hold them."""
