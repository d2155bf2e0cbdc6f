"""The activations of images: computed by the body, or kept from an earlier job."""

from collections.abc import Hashable, Sequence

import numpy as np
from cachetools import LRUCache

from seewhy.errors import OutOfMemory
from seewhy.schemas.result import BodyKind
from seewhy_worker.explain.batch_sizes import BatchSizes
from seewhy_worker.explain.types import PreparedImage
from seewhy_worker.ports.cuts import Activation
from seewhy_worker.ports.graphs import Graphs

ActivationKey = tuple[str, Hashable]
"""The name of a cut and the key of an image."""
KnownActivation = tuple[Activation, BodyKind]
"""An activation, and whether it was kept from an earlier job."""
Layers = tuple[str, ...]
"""The layers that the model is split at; empty for its target layer."""


class Activations:
    """Computes activations and keeps the most recently used ones. Not thread-safe.

    An image that was sent before, with another class, method or threshold, costs the head alone.
    """

    def __init__(self, *, graphs: Graphs, batch_sizes: BatchSizes, cache_bytes: int) -> None:
        """Keep up to `cache_bytes` of activations on the device; 0 keeps none."""
        self._graphs = graphs
        self._batch_sizes = batch_sizes
        self._kept: LRUCache[ActivationKey, Activation] = LRUCache(
            cache_bytes, getsizeof=lambda activation: activation.bytes
        )

    def of(
        self, images: Sequence[PreparedImage], splits: Sequence[Layers]
    ) -> list[dict[Layers, KnownActivation]]:
        """Return each image's activation for each split, and where it came from.

        A split is at some layers, and its activation is the cut at the first. One pass computes the
        activations of all splits, unless all were kept. At most one batch of different images;
        equal ones are computed once. Raises `OutOfMemory` and `UnsupportedModel`.
        """
        names = {split: self._graphs.cut_name(split) for split in splits}
        found: dict[ActivationKey, Activation] = {}
        missing: dict[Hashable, PreparedImage] = {}
        for image in images:
            keys = [(name, image.key) for name in names.values()]
            kept = {key: self._kept.get(key) for key in keys}
            if None in kept.values():
                missing.setdefault(image.key, image)
            else:
                found |= {key: one for key, one in kept.items() if one is not None}
        if missing:
            found |= self._compute(list(missing.values()), splits)
        return [
            {
                split: (found[name, image.key], "computed" if image.key in missing else "cached")
                for split, name in names.items()
            }
            for image in images
        ]

    def clear(self) -> bool:
        """Free all kept activations; return whether there were any."""
        had_any = bool(self._kept)
        self._kept.clear()
        return had_any

    def _compute(
        self, images: Sequence[PreparedImage], splits: Sequence[Layers]
    ) -> dict[ActivationKey, Activation]:
        batch = self._batch_sizes.round_up(len(images))
        pixels = np.zeros((batch, *images[0].pixels.shape), np.float32)
        pixels[: len(images)] = [image.pixels for image in images]
        try:
            cuts = self._graphs.body(splits, batch)(pixels)
        except OutOfMemory:
            if not self.clear():
                raise
            cuts = self._graphs.body(splits, batch)(pixels)
        computed = {}
        engine = self._graphs.body_engine(splits, batch)
        for name, tensors in cuts.items():
            for row, image in enumerate(images):
                computed[name, image.key] = activation = Activation(tensors, row, engine)
                if image.cache_key:
                    self._keep((name, image.key), activation)
        return computed

    def _keep(self, key: ActivationKey, activation: Activation) -> None:
        if activation.bytes <= self._kept.maxsize:
            self._kept[key] = activation.alone()
