"""The set-autoregressive text models: Llamas that write tokens in groups, left to right or in an order of their own."""
