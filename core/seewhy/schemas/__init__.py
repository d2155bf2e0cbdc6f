"""Validated types for the data that clients, the API and the workers exchange."""
