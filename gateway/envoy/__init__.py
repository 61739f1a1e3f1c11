"""Stubs of those of Envoy's messages that the gateway reads and answers, generated from protos/gateway/envoy."""
