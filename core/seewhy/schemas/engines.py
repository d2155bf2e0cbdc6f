"""What may compute a network."""

from typing import Literal

EngineChoice = Literal[
    "auto",
    "tensorflow",
    "tensorflow-xla",
    "tensorflow-float16",
    "tensorflow-xla-float16",
    "openvino",
    "openvino-bfloat16",
]
"""`auto` measures those of the device when a model is loaded; names without a number format compute
in float32."""
