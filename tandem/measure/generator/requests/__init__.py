"""What is asked of a server, as messages, and how its replies are read."""
