"""What a text has to match: from a request's words to masks over tokens. Knows llguidance; no engine, no tensors."""
