"""The data that clients, the API and the workers exchange, as validated types."""
