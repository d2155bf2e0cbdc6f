"""Explanations as HTML files, which show themselves without the service."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Unpack

from seewhy.client.drawing_options import DrawingOptions, as_query
from seewhy.client.drawings import DrawingOperations
from seewhy.client.errors import RequestRejected
from seewhy.client.explanation import Explanation
from seewhy.client.explanations import ExplanationOperations, path_of
from seewhy.client.responses import ExplanationResult, OtherMaps

PHOTO_SIDE_PX = 1024
"""The longer side of the photo in a file, unless `size` says otherwise."""
_VIEW_FIELDS: Mapping[str, str] = MappingProxyType(
    {"colormap": "colormap", "alpha": "opacity", "polarity": "polarity", "normalize": "scale"}
)
"""Option of a drawing → field of what a file shows first."""


class HtmlFileOperations(DrawingOperations, ExplanationOperations):
    """Fetches what an HTML file holds, and writes it."""

    async def html(
        self, explanation: Explanation | str, *, target: int = 0, **options: Unpack[DrawingOptions]
    ) -> str:
        """Return an explanation as one HTML file, which opens without the service.

        The page in it changes class, threshold, opacity, colors and method by itself; `target` and
        `options` are what it shows first, and `size` the longer side of the photo, 1024 unless
        given. It has all maps, the inputs beside the image, the photo unless that was deleted, and
        neither metadata nor keys.
        """
        if isinstance(explanation, str) or explanation.result is None:
            explanation = await self.get(explanation)
        result = explanation.result
        if result is None:  # the service says why
            await self.map(explanation)
            raise AssertionError("unreachable: the service has maps only of results")
        if target >= len(result.targets):
            raise IndexError(f"the explanation has {len(result.targets)} targets")
        photo = await self._photo(explanation, options)  # refuses unknown options first
        sets: tuple[ExplanationResult | OtherMaps, ...] = (result, *result.other_maps)
        maps = [await self._map_file(explanation, one) for one in sets]
        view = _view(options) | {"set": _find_set(sets, options), "target": target}
        return await self.network.call(_write, explanation.to_dict(), maps, photo, view)

    async def _photo(self, explanation: Explanation, options: DrawingOptions) -> bytes | None:
        """Return the upright photo as JPEG; None when its retention is over."""
        options = {"size": PHOTO_SIDE_PX, **options, "alpha": 0.0, "format": "jpeg"}
        try:
            return await self.overlay(explanation, **options)
        except RequestRejected as rejected:
            if rejected.status != HTTPStatus.GONE:
                raise
            return None

    async def _map_file(
        self, explanation: Explanation, maps: ExplanationResult | OtherMaps
    ) -> bytes:
        params = as_query({"method": maps.method, "layer": maps.layer})
        path = f"{path_of(explanation)}/map.npy"
        return (await self._transport.send("GET", path, params=params)).content


def _write(
    explanation: Mapping[str, Any],
    maps: list[bytes],
    photo: bytes | None,
    view: Mapping[str, Any],
) -> str:
    # The colors of the viewer come from OpenCV, which a client without HTML files does not load.
    from seewhy.viewer.html_file import html_file  # noqa: PLC0415

    return html_file(explanation, maps=maps, photo=photo, view=view)


def _find_set(sets: tuple[ExplanationResult | OtherMaps, ...], options: Mapping[str, Any]) -> int:
    """Return the index of the maps of the chosen method and layer, which the service knows."""
    method, layer = options.get("method"), options.get("layer")
    return next(
        (
            index
            for index, maps in enumerate(sets)
            if method in {None, maps.method}
            and (layer is None or f"/{maps.layer}".endswith(f"/{layer}"))
        ),
        0,
    )


def _view(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return drawing options as fields of what a file shows first."""
    view = {
        field: options[option]
        for option, field in _VIEW_FIELDS.items()
        if options.get(option) is not None
    }
    if view.get("scale") == "none":  # values as they are: 1 has the strongest color
        view["scale"] = 1
    if (threshold := options.get("threshold")) is not None:
        view["threshold"] = _rule(threshold)
    return view


def _rule(threshold: float | str) -> dict[str, Any]:
    if threshold == "otsu":
        return {"kind": "otsu"}
    if isinstance(threshold, str) and threshold.startswith("p"):
        return {"kind": "percentile", "value": float(threshold.removeprefix("p"))}
    return {"kind": "fraction", "value": float(threshold)}
