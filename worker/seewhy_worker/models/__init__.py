"""Keras models: built from the catalogue, and cut where the explanation looks."""
