"""Images of models that draw in parallel and in sequence."""
