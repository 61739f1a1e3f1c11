"""The only way in. Envoy carries the requests; what is here configures it, watches it and serves what it does not.

Reading order: settings and gateway; proxy (Envoy and its configuration), access (keys and budgets), figures (Envoy's
log, made into metrics), http (the page and the RPCs as JSON), protocols (those of other servers).
"""
