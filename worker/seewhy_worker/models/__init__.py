"""Keras models: load them, check their files, and split them at the target layer."""
