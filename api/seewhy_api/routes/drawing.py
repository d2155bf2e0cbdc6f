"""Draw stored maps, and find their regions, within the pixel budget of the process."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from seewhy.imaging import codecs
from seewhy.imaging.arrays import ImageArray, MapArray
from seewhy.imaging.geometry import crop_and_resize, fitted_size, scaled_rectangle
from seewhy.imaging.pixel_budget import encoding_cost, pixel_cost
from seewhy.imaging.regions.description import describe_regions
from seewhy.imaging.regions.segmentation import Segmentation
from seewhy.imaging.regions.threshold import evidence_threshold
from seewhy.imaging.rendering.classic import classic_overlay
from seewhy.imaging.rendering.color_scale import color_scale
from seewhy.imaging.rendering.outlines import draw_outlines
from seewhy.imaging.rendering.overlay import heatmap, overlay
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.map_regions import MapRegions
from seewhy_api.routes.render_options import (
    ContourOptions,
    MaskOptions,
    RegionOptions,
    RenderOptions,
)
from seewhy_api.routes.stored_results import StoredResult

_CLASSIC_OPTIONS = {"target", "map", "method", "layer", "size"}
"""Options that leave the drawing of the original recipe as it is."""

JPEG, PNG, WEBP = "image/jpeg", "image/png", "image/webp"
_ENCODERS: Mapping[str, Callable[[ImageArray], bytes]] = MappingProxyType(
    {JPEG: codecs.encode_jpeg, PNG: codecs.encode_png, WEBP: codecs.encode_webp}
)


@dataclass(frozen=True, slots=True)
class Canvas:
    """The size of a drawing, and the part of it that the map covers."""

    width_px: int
    height_px: int
    covers: Rectangle

    @classmethod
    def of(cls, stored: StoredResult, size: int | None = None) -> "Canvas":
        """Return the canvas of a drawing whose longer side has at most `size` pixels."""
        result = stored.result
        full_px = (result.image_width_px, result.image_height_px)
        width_px, height_px = fitted_size(*full_px, max_side_px=size)
        covers = scaled_rectangle(
            result.covers, x_scale=width_px / full_px[0], y_scale=height_px / full_px[1]
        )
        return cls(width_px, height_px, covers)

    @property
    def pixels(self) -> int:
        """The number of its pixels."""
        return self.width_px * self.height_px

    def encoding_cost(self, media_type: str) -> int:
        """Return the pixels to reserve beyond its own to encode it."""
        return encoding_cost(media_type, width_px=self.width_px, height_px=self.height_px)


def draw_heatmap(stored: StoredResult, options: RenderOptions, media_type: str) -> bytes:
    """Draw one map alone."""
    index, maps = stored.find_map(options), stored.read_maps()
    canvas = Canvas.of(stored, options.size)
    with stored.deps.pixels.reserve(canvas.pixels + canvas.encoding_cost(media_type)):
        # Without a name, the image is freed before its pixels are.
        return _ENCODERS[media_type](
            heatmap(
                maps[index],
                rectangle=canvas.covers,
                width_px=canvas.width_px,
                height_px=canvas.height_px,
                scale=_scale(stored, maps, index, options),
                colormap=options.colormap,
                polarity=options.polarity,
                threshold=_threshold(maps[index], options),
            )
        )


def draw_overlay(stored: StoredResult, options: RenderOptions, media_type: str) -> bytes:
    """Draw one map on the image. An opacity of 0 shows the image alone, also without a map."""
    index = stored.find_map(options)
    canvas = Canvas.of(stored, options.size)
    draw = _overlay_on(stored, options, index, canvas) if options.alpha else _unchanged

    with _image_reserved(stored, canvas.encoding_cost(media_type)) as body:
        # Without names, the images are freed before their pixels are.
        return _ENCODERS[media_type](draw(_decoded(stored, body, canvas)))


def _overlay_on(
    stored: StoredResult, options: RenderOptions, index: int, canvas: Canvas
) -> Callable[[ImageArray], ImageArray]:
    """Read the maps, and return what draws one of them on the image."""
    maps = stored.read_maps()
    if stored.job.preset and options.model_fields_set <= _CLASSIC_OPTIONS:
        return partial(classic_overlay, signed=maps[index], rectangle=canvas.covers)
    scale = _scale(stored, maps, index, options)
    return lambda image: _laid_over(image, maps[index], canvas, scale, options)


def _unchanged(image: ImageArray) -> ImageArray:
    return image


def draw_mask(stored: StoredResult, options: MaskOptions) -> bytes:
    """Draw the regions of one map in white on black, as PNG."""
    signed = stored.read_maps()[stored.find_map(options)]
    canvas = Canvas.of(stored, options.size)
    with stored.deps.pixels.reserve(canvas.pixels):
        mask = _segment(signed, stored, options, canvas).mask(options.components)
        return codecs.encode_mask_png(mask, bits=int(options.bits))


def draw_contours(stored: StoredResult, options: ContourOptions, media_type: str) -> bytes:
    """Draw the outlines of the regions of one map on the image."""
    index, maps = stored.find_map(options), stored.read_maps()
    canvas = Canvas.of(stored, options.size)
    heat = RenderOptions(
        map=index, colormap=options.colormap, alpha=options.alpha, polarity=options.polarity
    )
    scale = _scale(stored, maps, index, heat)

    def draw(image: ImageArray) -> ImageArray:
        if heat.alpha > 0:
            image = _laid_over(image, maps[index], canvas, scale, heat)
        return draw_outlines(image, regions, boxes=options.boxes)

    with _image_reserved(stored, canvas.encoding_cost(media_type)) as body:
        regions = _segment(maps[index], stored, options, canvas).outlined_regions(
            options.components
        )
        return _ENCODERS[media_type](draw(_decoded(stored, body, canvas)))


def find_regions(stored: StoredResult, options: RegionOptions) -> MapRegions:
    """Find the regions of one map, in pixels of the original image."""
    index, result = stored.find_map(options), stored.result
    signed, canvas = stored.read_maps()[index], Canvas.of(stored)
    with stored.deps.pixels.reserve(canvas.pixels):
        segmentation = _segment(signed, stored, options, canvas)
        return describe_regions(
            segmentation,
            result,
            index=index,
            rule=options.threshold or stored.job.threshold,
            polarity=options.polarity,
            components=options.components,
        )


def _segment(
    signed: MapArray, stored: StoredResult, options: RegionOptions, canvas: Canvas
) -> Segmentation:
    return Segmentation(
        signed,
        rectangle=canvas.covers,
        width_px=canvas.width_px,
        height_px=canvas.height_px,
        threshold=options.threshold or stored.job.threshold,
        polarity=options.polarity,
    )


def _laid_over(
    image: ImageArray, signed: MapArray, canvas: Canvas, scale: float, options: RenderOptions
) -> ImageArray:
    return overlay(
        image,
        signed,
        rectangle=canvas.covers,
        scale=scale,
        colormap=options.colormap,
        alpha=options.alpha,
        polarity=options.polarity,
        threshold=_threshold(signed, options),
    )


def _scale(stored: StoredResult, maps: MapArray, index: int, options: RenderOptions) -> float:
    return color_scale(
        maps,
        index,
        targets=stored.result.targets,
        method=stored.result.method,
        polarity=options.polarity,
        normalize=options.normalize or stored.job.normalize,
    )


def _threshold(signed: MapArray, options: RenderOptions) -> float:
    if options.threshold is None:
        return 0.0
    return evidence_threshold(signed, options.threshold, polarity=options.polarity)


@contextmanager
def _image_reserved(stored: StoredResult, encoding_pixels: int) -> Iterator[bytes]:
    """Read the encoded image, and reserve the pixels to decode it, draw on it and encode it."""
    body, result = stored.read_image(), stored.result
    cost = pixel_cost(body, width_px=result.image_width_px, height_px=result.image_height_px)
    with stored.deps.pixels.reserve(cost + encoding_pixels):
        yield body


def _decoded(stored: StoredResult, body: bytes, canvas: Canvas) -> ImageArray:
    """Decode the image and scale it down to the canvas."""
    image = codecs.decode(body, max_pixels=stored.deps.settings.max_pixels)
    height_px, width_px, _ = image.shape
    if (width_px, height_px) == (canvas.width_px, canvas.height_px):
        return image
    return crop_and_resize(
        image,
        Rectangle(x=0, y=0, width=width_px, height=height_px),
        height_px=canvas.height_px,
        width_px=canvas.width_px,
        interpolation="area",
    )
