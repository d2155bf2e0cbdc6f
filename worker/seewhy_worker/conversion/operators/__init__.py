"""The operators of ONNX as layers and operations of Keras."""
