"""Label Studio's bitmasks: a PNG in a data URL."""

import base64
import binascii
import io
import warnings

import numpy as np
from PIL import Image

from seewhy.annotations.annotation import ImageSize, MaskArray, size_of
from seewhy.errors import InvalidAnnotation

_PREFIX = "data:image/png;base64,"
_MAX_CHARACTERS = 64_000_000


def encode_bitmask(mask: MaskArray) -> str:
    """Encode a mask `(height, width)` as a PNG of its size: black pixels on transparent ones."""
    size_of(mask)
    # A palette of two colors takes one bit a pixel.
    image = Image.fromarray(np.asarray(mask, np.bool_).astype(np.uint8)).convert("P")
    image.putpalette([255, 255, 255, 0, 0, 0])
    file = io.BytesIO()
    image.save(file, "PNG", bits=1, transparency=b"\x00\xff", optimize=False)
    return _PREFIX + base64.b64encode(file.getvalue()).decode("ascii")


def decode_bitmask(url: object, size: ImageSize) -> MaskArray:
    """Decode a bitmask of this size to its pixels `(height, width)`: those with an alpha above 0.

    Raises `InvalidAnnotation` when it is not a PNG of this size in a data URL.
    """
    if not isinstance(url, str) or not url.startswith(_PREFIX) or len(url) > _MAX_CHARACTERS:
        raise InvalidAnnotation(f"a bitmask must be a data URL that starts with {_PREFIX}")
    try:
        content = base64.b64decode(url.removeprefix(_PREFIX), validate=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is checked
            with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
                if image.size != (size.width_px, size.height_px):
                    raise InvalidAnnotation(
                        f"the bitmask has {image.width} x {image.height} pixels, but the image "
                        f"has {size.width_px} x {size.height_px}"
                    )
                return np.asarray(image.convert("RGBA").getchannel("A")) > 0
    except (
        OSError,
        SyntaxError,
        ValueError,
        binascii.Error,
        Image.DecompressionBombError,
    ) as error:
        raise InvalidAnnotation("the bitmask is not a PNG") from error
