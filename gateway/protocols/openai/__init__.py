"""OpenAI's API over HTTP, with vLLM's extensions: what clients of either already speak.

Reading order: protocol (one request to its end), messages (what bodies and replies have in common), exchange (our own
RPCs, and the reply), text, responses and images (from one to the other), document (/openapi.json and /docs).
"""
