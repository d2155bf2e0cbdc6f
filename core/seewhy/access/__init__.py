"""API keys: their form, their records in the object store, and who may use the API."""
