"""The worker's pipeline: claim, fetch, explain, publish, report."""
