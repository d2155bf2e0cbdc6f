"""How the routes of a result describe themselves."""

from http import HTTPStatus

from pydantic import BaseModel

from seewhy import errors
from seewhy.schemas.map_regions import MapRegions
from seewhy_api.http.coco_body import CocoDocument
from seewhy_api.openapi.declarations import JOB_ERRORS, JSON, Answer, Operation
from seewhy_api.routes.drawing import JPEG, PNG, WEBP
from seewhy_api.routes.render_options import (
    ContourOptions,
    MapsChoice,
    MaskOptions,
    RegionOptions,
    RenderOptions,
)

NPY = "application/octet-stream"
PHOTO_TYPES = (JPEG, WEBP, PNG)
HEATMAP_TYPES = (PNG, WEBP)
"""JPEG has no transparency."""

_CACHING_HEADERS = ("ETag", "Vary", "Cache-Control")
_NOT_MODIFIED = Answer(
    status=HTTPStatus.NOT_MODIFIED,
    description="The client has it already: `If-None-Match` holds its entity tag.",
    media_types=(),
    headers=_CACHING_HEADERS,
)


def _operation(
    name: str,
    description: str,
    media_types: tuple[str, ...],
    *,
    query: type[BaseModel] | None = None,
    sample_query: str = "",
    model: type[BaseModel] | None = None,
    examples: tuple[str, ...] = (),
) -> Operation:
    """Describe a route. One with options can refuse them, and computes."""
    answer = Answer(
        description=description,
        model=model,
        media_types=media_types,
        examples=examples,
        headers=_CACHING_HEADERS if model else ("Content-Disposition", *_CACHING_HEADERS),
    )
    refusals: tuple[type[errors.SeewhyError], ...] = (errors.ResultNotReady, errors.NotAcceptable)
    if query:
        refusals += (errors.UnknownClass, errors.TooManyRenderings)
    return Operation(
        id=name,
        tag="results",
        query=query,
        sample_query=sample_query,
        headers=("If-None-Match",),
        answers=(answer, _NOT_MODIFIED),
        errors=(*JOB_ERRORS, *refusals),
    )


GET_MAP = _operation("get_map", "A NumPy file.", (NPY,), query=MapsChoice)
GET_OVERLAY = _operation(
    "get_overlay",
    "The image with the map drawn on it.",
    PHOTO_TYPES,
    query=RenderOptions,
    sample_query="polarity=signed",
)
GET_HEATMAP = _operation("get_heatmap", "The colored map.", HEATMAP_TYPES, query=RenderOptions)
GET_REGIONS = _operation(
    "get_regions",
    "The regions.",
    (JSON,),
    query=RegionOptions,
    sample_query="threshold=0.5&components=3",
    model=MapRegions,
    examples=("regions",),
)
GET_COCO = _operation(
    "get_coco", "A file of COCO.", (JSON,), query=RegionOptions, model=CocoDocument
)
GET_MASK = _operation("get_mask", "The regions, white on black.", (PNG,), query=MaskOptions)
GET_CONTOURS = _operation(
    "get_contours", "The image with the outlines of the regions.", PHOTO_TYPES, query=ContourOptions
)
