"""POST /v1/responses: text in, text out, nothing kept. The part of that API that needs no state."""
