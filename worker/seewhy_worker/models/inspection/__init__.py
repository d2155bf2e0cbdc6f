"""Inspect a model file before Keras builds anything from it."""
