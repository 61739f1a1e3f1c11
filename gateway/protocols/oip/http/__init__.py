"""The protocol over HTTP: JSON, followed by binary tensors if a client asks for them."""
