"""The words that the API and the worker share."""
