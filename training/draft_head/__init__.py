"""The draft head of a text model: it predicts tokens behind the next, and is trained on the model's own answers."""
