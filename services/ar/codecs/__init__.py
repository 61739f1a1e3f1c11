"""Between what people send and tokens: text and images."""
