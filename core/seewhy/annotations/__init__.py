"""Annotations in the formats of labeling tools: encoders and decoders, as pure functions."""
