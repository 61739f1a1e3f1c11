"""OpenAI's API over HTTP, with vLLM's extensions: what clients of either already speak.

Reading order: protocol (which path does what), endpoint (one request to its end), requests and replies (their JSON),
calls (our own RPCs), text and images (from one to the other), description (/openapi.json and its page).
"""
