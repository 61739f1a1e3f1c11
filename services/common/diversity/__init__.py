"""The diversity watch: whether a model still draws as differently as it did when it was released."""
