"""OpenAI's API over HTTP, with vLLM's extensions: what clients of either already speak.

Reading order: protocol (which path does what, one request to its end), messages (what bodies and replies have in
common), calls (our own RPCs), text, responses and images (from one to the other), document (/openapi.json and /docs).
"""
