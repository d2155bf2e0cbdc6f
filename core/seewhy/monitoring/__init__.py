"""Prometheus metrics: the server that exposes them, and the metrics of the ledger."""
