"""What the servers and the measuring side have in common: the floor below both. Knows neither."""
