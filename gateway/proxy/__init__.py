"""Envoy as the data plane: its configuration out of the settings, and Envoy itself as a child of the gateway.

`bootstrap.document` is the whole configuration; `process.Envoy` runs it; `admin.Admin` asks it.
"""
