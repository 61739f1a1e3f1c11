"""The outer side of the sequential backend: requests and replies, between protobuf and the engine."""
