"""A limit on the pixels that a process decodes and draws at once.

A compressed image is small and says little about the memory that its pixels take. Memory is
therefore reserved by pixels. A pixel stands for `BYTES_PER_PIXEL`, which covers what decoding,
drawing and encoding allocate at their peak, measured by `tests/unit/test_image_memory.py`:

- JPEG 8, progressive JPEG of four channels 12, PNG of any kind 8 bytes per pixel. WebP needs 17,
  because its decoder keeps two canvases, and is charged one and a half times its pixels.
- An overlay 12, a heatmap 10 bytes per pixel, together with the image that it is drawn on. Its
  encoding as PNG takes up to 4, as WebP up to 13 bytes more, for which `encoding_cost` pays.
- Regions, a mask or contours 13 bytes per pixel.
"""

import threading
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType

from seewhy.errors import TooManyRenderings
from seewhy.imaging.arrays import ImageArray

BYTES_PER_PIXEL = 13
RETRY_AFTER_S = 2

_WEBP_SIGNATURE = slice(8, 12)
_ENCODING_SHARES = MappingProxyType({"image/png": 0.5, "image/webp": 1.0})


class PixelBudget:
    """Reserves pixels, first come, first served, so that small images never delay a large one.

    Thread-safe. The holder of a reservation must not wait for another one.
    """

    def __init__(
        self,
        *,
        pixels: int,
        max_holders: int | None = None,
        timeout_s: float | None = None,
    ) -> None:
        """Reserve up to `pixels` at once, for up to `max_holders` threads; None means any number.

        Each waits for its turn for at most `timeout_s`; None means for ever.
        """
        self._pixels = pixels
        self._max_holders = max_holders
        self._timeout_s = timeout_s
        self._reserved = 0
        self._holders = 0
        self._waiting = deque[object]()
        self._changed = threading.Condition()

    @contextmanager
    def reserve(self, pixels: int) -> Iterator[None]:
        """Hold a reservation for the length of the block.

        An image of more pixels than the whole budget waits until it is alone. Raises
        `TooManyRenderings` after the timeout.
        """
        charged = min(pixels, self._pixels)
        self._acquire(charged)
        try:
            yield
        finally:
            self._release(charged, holders=1)

    def keep(self, image: ImageArray) -> ImageArray | None:
        """Reserve the pixels of an image for as long as the array exists, without waiting.

        Returns the image, or None when it does not fit.
        """
        pixels = image.shape[0] * image.shape[1]
        with self._changed:
            if self._waiting or self._reserved + pixels > self._pixels:
                return None
            self._reserved += pixels
        weakref.finalize(image, self._release, pixels).atexit = False
        return image

    def _acquire(self, pixels: int) -> None:
        turn = object()
        with self._changed:
            if not self._waiting and self._fits(pixels):
                self._hold(pixels)
                return
            self._waiting.append(turn)
            try:
                if not self._changed.wait_for(
                    lambda: self._waiting[0] is turn and self._fits(pixels), self._timeout_s
                ):
                    raise _too_many()
                self._hold(pixels)
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()

    def _fits(self, pixels: int) -> bool:
        is_free = self._max_holders is None or self._holders < self._max_holders
        return is_free and self._reserved + pixels <= self._pixels

    def _hold(self, pixels: int) -> None:
        self._reserved += pixels
        self._holders += 1

    def _release(self, pixels: int, *, holders: int = 0) -> None:
        with self._changed:
            self._reserved -= pixels
            self._holders -= holders
            self._changed.notify_all()


def pixel_cost(body: bytes, *, width_px: int, height_px: int) -> int:
    """Return the pixels to reserve for an encoded image: for its pixels and two copies of it."""
    pixels = width_px * height_px
    if body[_WEBP_SIGNATURE] == b"WEBP":
        pixels += pixels // 2
    return pixels + 2 * len(body) // BYTES_PER_PIXEL


def encoding_cost(media_type: str, *, width_px: int, height_px: int) -> int:
    """Return the pixels to reserve beyond those of a drawing, to encode it as this type."""
    return int(_ENCODING_SHARES.get(media_type, 0) * width_px * height_px)


def _too_many() -> TooManyRenderings:
    return TooManyRenderings(
        "Too many images are being drawn. Retry later.", retry_after_s=RETRY_AFTER_S
    )
