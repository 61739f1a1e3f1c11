"""The dashboards as data: `python -m deploy.grafana` writes the JSON in dashboards/, which Grafana reads.

boards/ describes a dashboard a file: its panels by row, what each shows, in which unit, and the queries in PromQL.
style.yaml has the house style, and layout puts both together. Knows the names of metrics, not the processes that export
them.
"""
