"""What HTTP serves, behind Envoy's HTTP port: the page, the RPCs as JSON, /status and /history, metrics and probes."""
