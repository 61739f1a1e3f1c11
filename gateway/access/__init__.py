"""Who may come in, and how much each may have: API keys, budgets, and the answers that Envoy asks for."""
