"""Commands that ask a server for text, images and scores: `generate`, `sample`, `score`."""
