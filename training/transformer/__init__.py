"""The sequential image model: the serving code's own transformer, trained to predict the next token of an image."""
