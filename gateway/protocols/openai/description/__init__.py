"""What the protocol says of itself: an OpenAPI document, and a page of it that loads nothing from elsewhere."""
