"""The outer side of the parallel backend: requests and replies, between protobuf and the batcher."""
