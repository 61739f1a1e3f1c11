"""The server of every process: transports, health, reflection."""
