"""The operations on the map of an explanation: drawings, numbers and regions."""

import io
from collections.abc import Mapping
from typing import Any, Unpack

import httpx2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from seewhy.client.drawing_options import (
    MEDIA_TYPES,
    ContourOptions,
    DrawingOptions,
    RegionOptions,
    as_query,
)
from seewhy.client.explanation import Explanation
from seewhy.client.explanations import path_of
from seewhy.client.operations import Operations
from seewhy.client.responses import Links
from seewhy.client.transport import unexpected
from seewhy.schemas.map_regions import MapRegions


class DrawingOperations(Operations):
    """Operations on maps. `target` is an index into the targets of the result.

    Each raises `IndexError` when an `Explanation` has no such target; for an id the service rejects
    the request.
    """

    async def overlay(
        self,
        explanation: Explanation | str,
        *,
        target: int = 0,
        **options: Unpack[DrawingOptions],
    ) -> bytes:
        """Return the image with one target's heatmap on it, as JPEG unless `format` says otherwise.

        The stored overlay is sent where it is what the options ask for.
        """
        links = _links(explanation)
        path = (links and links.overlay) or f"{path_of(explanation)}/overlay"
        return await self._draw(explanation, path, target, options)

    async def heatmap(
        self,
        explanation: Explanation | str,
        *,
        target: int = 0,
        **options: Unpack[DrawingOptions],
    ) -> bytes:
        """Return one target's heatmap at the size of the image, as PNG or WebP.

        It is transparent where the map has no cells.
        """
        return await self._draw(explanation, f"{path_of(explanation)}/heatmap", target, options)

    async def contours(
        self,
        explanation: Explanation | str,
        *,
        target: int = 0,
        **options: Unpack[ContourOptions],
    ) -> bytes:
        """Return the image with the outlines of the regions of one target's map."""
        return await self._draw(explanation, f"{path_of(explanation)}/contours", target, options)

    async def map(
        self,
        explanation: Explanation | str,
        *,
        method: str | None = None,
        layer: str | None = None,
    ) -> NDArray[np.float32]:
        """Return the signed maps (targets, map_height, map_width) at native resolution.

        `method` and `layer` are among the requested ones, by default the first.
        """
        links = _links(explanation)
        path = (links and links.map) or f"{path_of(explanation)}/map.npy"
        params = as_query({"method": method, "layer": layer})
        response = await self._transport.send("GET", path, params=params)
        try:
            maps = np.load(io.BytesIO(response.content), allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise unexpected(response, "the map is not an array") from error
        return np.asarray(maps, dtype=np.float32)

    async def regions(
        self,
        explanation: Explanation | str,
        *,
        target: int = 0,
        **options: Unpack[RegionOptions],
    ) -> MapRegions:
        """Return the regions of one target's map, in pixels of the upright image.

        By default the largest region from 15 % of the strongest evidence on, or from the threshold
        of the request.
        """
        path = f"{path_of(explanation)}/regions"
        return self._parse(MapRegions, await self._fetch(explanation, path, target, options))

    async def mask(
        self,
        explanation: Explanation | str,
        *,
        target: int = 0,
        **options: Unpack[RegionOptions],
    ) -> NDArray[np.bool_]:
        """Return the pixels of the regions of one target's map, `(height, width)`.

        The arguments are those of `regions`.
        """
        path = f"{path_of(explanation)}/mask.png"
        query: Mapping[str, Any] = {"bits": "1", **options}
        response = await self._fetch(explanation, path, target, query)
        try:
            with PillowImage.open(io.BytesIO(response.content), formats=("PNG",)) as image:
                return np.asarray(image, dtype=np.bool_)
        except (OSError, SyntaxError, ValueError) as error:  # as Pillow raises
            raise unexpected(response, "the mask is not a PNG") from error

    async def _draw(
        self,
        explanation: Explanation | str,
        path: str,
        target: int,
        options: Mapping[str, Any],
    ) -> bytes:
        return (await self._fetch(explanation, path, target, options)).content

    async def _fetch(
        self,
        explanation: Explanation | str,
        path: str,
        target: int,
        options: Mapping[str, Any],
    ) -> httpx2.Response:
        result = explanation.result if isinstance(explanation, Explanation) else None
        if result and target >= len(result.targets):
            raise IndexError(f"the explanation has {len(result.targets)} targets")
        # Target 0 is the default of the service, which may have drawn it in advance.
        params = ({"map": target} if target else {}) | as_query(options)
        format_ = options.get("format")
        headers = {"Accept": MEDIA_TYPES[format_]} if format_ else None
        return await self._transport.send("GET", path, params=params, headers=headers)


def _links(explanation: Explanation | str) -> Links | None:
    return explanation.links if isinstance(explanation, Explanation) else None
