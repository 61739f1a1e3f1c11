"""The gateway keeps the clock: Envoy's log entries in, metrics and the page's figures out.

`figures.Figures` is the whole of it; an `entry.Entry` becomes an `observation.Observation`, which `metrics` counts.
"""
