"""The image tokenizer: pixels to tokens of 512 and back, 49 for 28x28, by finite scalar quantisation."""
