"""The routes of a result: the maps, images drawn from them, and their regions."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TypeVar

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel

from seewhy.access.records import Scope
from seewhy.imaging import codecs
from seewhy.schemas.map_regions import MapRegions
from seewhy_api.http import representations
from seewhy_api.http.auth import request_context, requires
from seewhy_api.http.coco_body import coco_document
from seewhy_api.openapi.declarations import JSON, describe
from seewhy_api.routes import drawing
from seewhy_api.routes import result_operations as operations
from seewhy_api.routes.dependencies import Dependencies
from seewhy_api.routes.drawing import JPEG, PNG, WEBP, Canvas
from seewhy_api.routes.render_options import (
    ContourOptions,
    MapChoice,
    MapsChoice,
    MaskOptions,
    RegionOptions,
    RenderOptions,
)
from seewhy_api.routes.result_operations import HEATMAP_TYPES, NPY, PHOTO_TYPES
from seewhy_api.routes.stored_results import StoredResult, read_result

SUFFIXES: Mapping[str, str] = MappingProxyType({JPEG: "jpg", PNG: "png", WEBP: "webp", NPY: "npy"})

Options = TypeVar("Options", bound=MapsChoice)


def create_results_blueprint(deps: Dependencies) -> Blueprint:
    """Create the blueprint of `/v1/explanations/{id}/{map.npy,overlay,heatmap,regions,…}`."""
    blueprint = Blueprint("results", __name__, url_prefix="/v1/explanations/<job_id>")

    @blueprint.get("/map.npy")
    @requires(Scope.READ)
    @describe(operations.GET_MAP)
    def get_map(job_id: str) -> Response:
        """Get the signed maps as a NumPy file.

        The array has the shape (targets, map_height, map_width), float32, in the order of
        `result.targets`.
        """
        stored, _ = _read_result(deps, job_id, MapsChoice)
        representations.choose_media_type(request, (NPY,))
        return _respond(job_id, stored.tag(NPY), NPY, lambda: stored.read_object("map"))

    @blueprint.get("/overlay")
    @requires(Scope.READ)
    @describe(operations.GET_OVERLAY)
    def get_overlay(job_id: str) -> Response:
        """Get the image with one map drawn on it; see the drawing options.

        A JPEG, unless `Accept` prefers WebP or PNG. The stored overlay is sent where it is what
        the request asks for; anything else is drawn for each request.
        """
        stored, options = _read_result(deps, job_id, RenderOptions)
        media_type = _negotiate(stored, options.size, PHOTO_TYPES)

        def draw() -> bytes:
            if _is_stored(stored, options, media_type):
                return stored.read_object("overlay")
            with stored.drawing():
                return drawing.draw_overlay(stored, options, media_type)

        return _respond(job_id, _tag(stored, options, media_type), media_type, draw)

    @blueprint.get("/heatmap")
    @requires(Scope.READ)
    @describe(operations.GET_HEATMAP)
    def get_heatmap(job_id: str) -> Response:
        """Get one map at the size of the image, transparent where the map has no cells.

        A PNG, unless `Accept` prefers WebP; see the drawing options.
        """
        stored, options = _read_result(deps, job_id, RenderOptions)
        media_type = _negotiate(stored, options.size, HEATMAP_TYPES)
        draw = partial(_draw, drawing.draw_heatmap, stored, options, media_type)
        return _respond(job_id, _tag(stored, options, media_type), media_type, draw)

    _add_regions(blueprint, deps)
    return blueprint


def _add_regions(blueprint: Blueprint, deps: Dependencies) -> None:
    @blueprint.get("/regions")
    @requires(Scope.READ)
    @describe(operations.GET_REGIONS)
    def get_regions(job_id: str) -> Response:
        """Get the regions of one map: boxes, contours and peaks in pixels of the upright image.

        By default the largest connected component of the evidence from 15 % of its maximum on,
        which is how the Grad-CAM paper makes boxes; see the region options.
        """
        return _respond_regions(deps, job_id, lambda regions: regions)

    @blueprint.get("/coco.json")
    @requires(Scope.READ)
    @describe(operations.GET_COCO)
    def get_coco(job_id: str) -> Response:
        """Get the regions of one map as a file of COCO: boxes and polygons of one image.

        Holes are not part of a polygon. The file names the image by the id of the explanation.
        """
        return _respond_regions(deps, job_id, partial(coco_document, job_id=job_id))

    @blueprint.get("/mask.png")
    @requires(Scope.READ)
    @describe(operations.GET_MASK)
    def get_mask(job_id: str) -> Response:
        """Get a PNG of the regions of one map, white on black, at the size of the image."""
        stored, options = _read_result(deps, job_id, MaskOptions)
        media_type = _negotiate(stored, options.size, (PNG,))
        draw = partial(_draw, drawing.draw_mask, stored, options)
        return _respond(job_id, _tag(stored, options, media_type), media_type, draw)

    @blueprint.get("/contours")
    @requires(Scope.READ)
    @describe(operations.GET_CONTOURS)
    def get_contours(job_id: str) -> Response:
        """Get the image with the outlines of the regions of one map.

        A JPEG, unless `Accept` prefers WebP or PNG; see the region options.
        """
        stored, options = _read_result(deps, job_id, ContourOptions)
        media_type = _negotiate(stored, options.size, PHOTO_TYPES)
        draw = partial(_draw, drawing.draw_contours, stored, options, media_type)
        return _respond(job_id, _tag(stored, options, media_type), media_type, draw)


def _read_result(
    deps: Dependencies, job_id: str, kind: type[Options]
) -> tuple[StoredResult, Options]:
    """Return the result with the chosen maps only, and the options of the query."""
    stored = read_result(deps, job_id, context=request_context())
    options = kind.model_validate(request.args.to_dict())
    return stored.maps_of(options), options


def _respond_regions(
    deps: Dependencies, job_id: str, represent: Callable[[MapRegions], BaseModel]
) -> Response:
    """Send regions as JSON, in the form that `represent` gives them."""
    stored, options = _read_result(deps, job_id, RegionOptions)
    tag = _tag(stored, options, representations.choose_media_type(request, (JSON,)))
    if representations.is_current(request, tag):
        return representations.not_modified(tag)
    with stored.drawing():
        body = represent(drawing.find_regions(stored, options))
    return representations.with_validators(jsonify(body.model_dump(mode="json")), tag)


def _negotiate(stored: StoredResult, size: int | None, offers: tuple[str, ...]) -> str:
    """Return the media type to send. Raises `NotAcceptable`."""
    canvas = Canvas.of(stored, size)
    if max(canvas.width_px, canvas.height_px) > codecs.WEBP_MAX_SIDE_PX:
        offers = tuple(offer for offer in offers if offer != WEBP)
    return representations.choose_media_type(request, offers)


def _is_stored(stored: StoredResult, options: RenderOptions, media_type: str) -> bool:
    return options == RenderOptions() and media_type == JPEG and "overlay" in stored.result.objects


def _draw(draw: Callable[..., bytes], stored: StoredResult, *arguments: object) -> bytes:
    with stored.drawing():
        return draw(stored, *arguments)


def _tag(stored: StoredResult, options: MapChoice, media_type: str) -> str:
    """Return the entity tag of a drawing. Raises as `StoredResult.find_map`."""
    index = stored.find_map(options)
    return stored.tag(request.endpoint, media_type, index, options.model_dump_json())


def _respond(job_id: str, tag: str, media_type: str, draw: Callable[[], bytes]) -> Response:
    """Send a file, which is made only for clients that do not have it."""
    if representations.is_current(request, tag):
        return representations.not_modified(tag)
    response = Response(draw(), content_type=media_type)
    name = f"{job_id}.{SUFFIXES[media_type]}"
    response.headers["Content-Disposition"] = f'inline; filename="{name}"'
    return representations.with_validators(response, tag)
