"""Writes components/monitoring/rules.yaml: what Prometheus' operator reads, and what is committed."""

import textwrap
from pathlib import Path

FOLDER = Path(__file__).parent
RULES = FOLDER.parent / "prometheus"
TARGET = FOLDER / "components" / "monitoring" / "rules.yaml"

HEADER = """\
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: tandem-{name}
  labels: {{app.kubernetes.io/name: tandem}}
spec:
"""


def render() -> str:
    """Return the text of the file; a PrometheusRule's `spec` is what a rule file holds, comments and all."""
    documents = "---\n".join(wrap(name) for name in ("recording", "alert"))
    return f"# From deploy/prometheus, by `make manifests`. Change it there.\n{documents}"


def wrap(name: str) -> str:
    rules = (RULES / f"{name}_rules.yml").read_text()
    return HEADER.format(name=name) + textwrap.indent(rules, "  ")


if __name__ == "__main__":
    TARGET.write_text(render())
