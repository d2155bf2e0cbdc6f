"""Bundles: the bodies and heads of models as files, with which a worker starts faster.

A worker writes a bundle when it has loaded a model with TensorFlow, and reads it at later starts,
which then need no TensorFlow until a request needs more than the bundle holds.
"""
