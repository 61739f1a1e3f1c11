"""Envoy as the data plane: its configuration out of the settings, and Envoy itself as a child of the gateway.

envoy.yaml is the configuration, which `bootstrap.document` fills in; `process.Envoy` runs it; `admin.Admin` asks it.
"""
