"""The dashboards as code: `python -m deploy.grafana` writes the JSON in dashboards/, which Grafana reads.

Reading order: queries (PromQL), panels (the house style), layout (a dashboard), then one module a dashboard. Knows the
names of metrics and nothing of the processes that export them.
"""
