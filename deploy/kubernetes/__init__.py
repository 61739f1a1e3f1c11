"""Tandem on Kubernetes: a base, overlays for CPU and GPU, and components for what a cluster may have besides.

The manifests are YAML for `kubectl kustomize`. `python -m deploy.kubernetes` writes the one file that is not by hand:
the rules of deploy/prometheus, wrapped for Prometheus' operator.
"""
