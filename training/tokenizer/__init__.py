"""The image tokenizer: 28x28 pixels to 49 tokens of 512 and back, by finite scalar quantisation."""
