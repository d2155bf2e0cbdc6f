"""What may compute a network."""

from typing import Literal

EngineChoice = Literal["auto", "tensorflow", "openvino", "openvino-bfloat16"]
"""`auto` measures the others when a model is loaded; `openvino` computes in float32."""
