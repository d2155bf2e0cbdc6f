"""The activations of images: computed by the body, or kept from an earlier job."""

from collections.abc import Hashable, Sequence

import numpy as np
from cachetools import LRUCache

from seewhy.errors import OutOfMemory
from seewhy.schemas.result import BodyKind
from seewhy_worker.explain.batch_sizes import BatchSizes
from seewhy_worker.explain.graph_cache import GraphCache
from seewhy_worker.explain.types import PreparedImage
from seewhy_worker.keras_backend.bodies import Activation

ActivationKey = tuple[str, Hashable]
"""A layer and the key of an image."""


class Activations:
    """Computes activations and keeps the most recently used ones. Not thread-safe.

    An image that was sent before, with another class, method or threshold, costs the head alone.
    """

    def __init__(self, *, graphs: GraphCache, batch_sizes: BatchSizes, cache_bytes: int) -> None:
        """Keep up to `cache_bytes` of activations on the device; 0 keeps none."""
        self._graphs = graphs
        self._batch_sizes = batch_sizes
        self._kept: LRUCache[ActivationKey, Activation] = LRUCache(
            cache_bytes, getsizeof=lambda activation: activation.bytes
        )

    def of(
        self, images: Sequence[PreparedImage], layers: tuple[str, ...]
    ) -> list[tuple[Activation, BodyKind]]:
        """Return each image's activation at the first of these layers, and where it came from.

        At most one batch of different images; equal ones are computed once. Raises
        `OutOfMemory` and `UnsupportedModel`.
        """
        layer = self._graphs.model_at(layers).layers[0]
        found: dict[ActivationKey, Activation] = {}
        missing: dict[ActivationKey, PreparedImage] = {}
        keys = [(layer, image.key) for image in images]
        for key, image in zip(keys, images, strict=True):
            kept = self._kept.get(key)
            if kept is None:
                missing.setdefault(key, image)
            else:
                found[key] = kept
        if missing:
            computed = self._compute(list(missing.values()), layers)
            found |= dict(zip(missing, computed, strict=True))
            for key, image in missing.items():
                if image.cache_key:
                    self._keep(key, found[key])
        return [(found[key], "computed" if key in missing else "cached") for key in keys]

    def clear(self) -> bool:
        """Free all kept activations; return whether there were any."""
        had_any = bool(self._kept)
        self._kept.clear()
        return had_any

    def _compute(
        self, images: Sequence[PreparedImage], layers: tuple[str, ...]
    ) -> list[Activation]:
        batch = self._batch_sizes.round_up(len(images))
        pixels = np.zeros((batch, *images[0].pixels.shape), np.float32)
        pixels[: len(images)] = [image.pixels for image in images]
        try:
            tensor = self._graphs.body(layers, batch)(pixels)
        except OutOfMemory:
            if not self.clear():
                raise
            tensor = self._graphs.body(layers, batch)(pixels)
        return [Activation(tensor, row) for row in range(len(images))]

    def _keep(self, key: ActivationKey, activation: Activation) -> None:
        if activation.bytes <= self._kept.maxsize:
            self._kept[key] = activation.alone()
