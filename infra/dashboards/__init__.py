"""Generates the Grafana dashboards in `infra/grafana/dashboards`; the panels are tables here."""
