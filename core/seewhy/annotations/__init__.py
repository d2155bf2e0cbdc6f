"""Annotations in the formats of labelling tools: encoders and decoders, as pure functions."""
