"""The pace of a worker: images for each second of device time, lately."""

import threading
from dataclasses import dataclass, field

MEMORY_S = 20.0
"""How much device time is looked back at."""


@dataclass(slots=True)
class Pace:
    """Counts images and device time of each model. Thread-safe."""

    _images: dict[str, float] = field(default_factory=dict)
    _device_s: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, model: str, images: int, *, device_s: float) -> None:
        """Add a batch that the device has explained."""
        with self._lock:
            kept = 0.5 if self._device_s.get(model, 0.0) > MEMORY_S else 1.0
            self._images[model] = kept * self._images.get(model, 0.0) + images
            self._device_s[model] = kept * self._device_s.get(model, 0.0) + device_s

    def images_per_s(self) -> dict[str, float]:
        """Return the pace of each model that has explained an image."""
        with self._lock:
            return {
                model: round(images / self._device_s[model], 3)
                for model, images in self._images.items()
                if self._device_s[model] > 0
            }
