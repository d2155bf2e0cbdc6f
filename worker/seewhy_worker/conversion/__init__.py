"""Convert ONNX files to Keras models, which seewhy explains like any other."""
