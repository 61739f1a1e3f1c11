"""OpenAI's API over HTTP, with vLLM's extensions: what clients of either already speak.

Reading order: paths (which path does what), protocol (one request to its end), messages (bodies and replies), calls
(our own RPCs), text, responses and images (from one to the other), document and page (/openapi.json and /docs).
"""
