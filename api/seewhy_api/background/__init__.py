"""Threads beside the requests: the sweeper and the retention task."""
