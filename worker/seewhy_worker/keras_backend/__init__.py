"""The backend: gradients, compilation, devices and memory, in TensorFlow's words.

The one package that would be written anew for another Keras backend.
"""
