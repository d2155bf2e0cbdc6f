"""What an ONNX file contains, and the values that its nodes compute."""
