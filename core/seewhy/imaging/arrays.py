"""The array types of images and maps."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

ImageArray = NDArray[np.uint8]
"""An image: `(height, width, 3)` RGB unless the docstring says otherwise."""

MapArray = NDArray[np.float32]
"""A map, `(map_height, map_width)`, or several, `(targets, map_height, map_width)`."""

AnyMapArray = NDArray[Any]
"""A map of any number type."""
