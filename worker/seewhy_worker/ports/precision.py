"""The number formats in which engines compute bodies."""

from typing import Literal

Precision = Literal["float32", "bfloat16"]
