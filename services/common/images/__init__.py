"""Images as they travel: encodings, messages, sizes and layouts."""
