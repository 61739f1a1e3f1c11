"""The gateway keeps the clock: Envoy's log entries in, metrics and the page's figures out.

An entry (log_entry) becomes an `observation.Observation`, which `recorder` gives to metrics, statistics and traces.
"""
