"""A better decoder for the tokens of a released sequential image model: same tokens, nearer images."""
