"""Capacity: what a load needs of workers, Redis and the store, and how long jobs then wait.

Pure functions and a simulator. Nothing here connects to a service.
"""
