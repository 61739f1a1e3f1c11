"""Requests and replies of other protocols than Tandem's own: OpenAI's HTTP API and the Open Inference Protocol."""
