"""The TensorFlow backend: gradients, compilation, devices and memory.

This is the only package to rewrite for another Keras backend.
"""
