"""Makes the JPEGs of a load test unique: no two requests send the same file."""

from collections.abc import Sequence

START_OF_IMAGE = b"\xff\xd8"
_COMMENT = b"\xff\xfe"


def unique_image(images: Sequence[bytes], *, seed: int, index: int) -> bytes:
    """Return one of the JPEGs with a comment that no other index or seed has."""
    image = images[index % len(images)]
    text = f"{seed}:{index}".encode()
    length = (len(text) + 2).to_bytes(2, "big")
    return b"".join((START_OF_IMAGE, _COMMENT, length, text, image[2:]))
