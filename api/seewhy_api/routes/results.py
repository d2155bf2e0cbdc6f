"""The routes of a result: the map, and images rendered from it."""

from typing import Annotated, Literal

from flask import Blueprint, Response, request
from pydantic import BaseModel, ConfigDict, Field

from seewhy import errors
from seewhy.access.records import Scope
from seewhy.errors import ExplanationGone, InvalidRequest, ObjectNotFound, ResultNotReady
from seewhy.imaging import codecs, maps
from seewhy.imaging.arrays import ImageArray, MapArray
from seewhy.imaging.pixel_budget import pixel_cost
from seewhy.imaging.rendering.classic import classic_overlay
from seewhy.imaging.rendering.color_scale import color_scale
from seewhy.imaging.rendering.colormaps import COLORMAPS
from seewhy.imaging.rendering.overlay import heatmap, overlay
from seewhy.schemas.job import Job
from seewhy.schemas.result import Result
from seewhy.storage.port import ObjectStore
from seewhy_api.http.auth import request_context, requires
from seewhy_api.openapi.declarations import JOB_ERRORS, Answer, Operation, describe
from seewhy_api.routes.dependencies import Dependencies

_ScaleMaximum = Annotated[float, Field(gt=0, allow_inf_nan=False)]

_RENDERING_ERRORS = (
    *JOB_ERRORS,
    errors.InvalidRequest,
    errors.ResultNotReady,
    errors.TooManyRenderings,
)


def _file_answer(description: str, media_type: str) -> Answer:
    return Answer(
        description=description, media_types=(media_type,), headers=("Content-Disposition",)
    )


class RenderOptions(BaseModel):
    """The query parameters of a rendered map."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str | None = Field(None, description="An explained class; default: the first.")
    map: int | None = Field(
        None, ge=0, description="An index into the result's targets, instead of `target`."
    )
    colormap: str | None = Field(
        None,
        description=f"One of {', '.join(f'`{name}`' for name in COLORMAPS)}. "
        "Default: `inferno`, or `blue-white-red` for signed maps.",
    )
    alpha: float = Field(0.6, ge=0, le=1, description="The opacity of the strongest color.")
    polarity: Literal["positive", "negative", "signed"] = Field(
        "positive", description="Evidence for the target, against it, or both."
    )
    normalize: Literal["image", "none"] | _ScaleMaximum | None = Field(
        None, description="The value drawn with full intensity; default: the request's."
    )


GET_MAP = Operation(
    id="get_map",
    tag="results",
    answers=(_file_answer("A NumPy file.", "application/octet-stream"),),
    errors=(*JOB_ERRORS, errors.ResultNotReady),
)
GET_OVERLAY = Operation(
    id="get_overlay",
    tag="results",
    query=RenderOptions,
    answers=(_file_answer("The image with the map drawn on it.", "image/jpeg"),),
    errors=_RENDERING_ERRORS,
)
GET_HEATMAP = Operation(
    id="get_heatmap",
    tag="results",
    query=RenderOptions,
    answers=(_file_answer("The colored map.", "image/png"),),
    errors=_RENDERING_ERRORS,
)


def create_results_blueprint(deps: Dependencies) -> Blueprint:
    """Create the blueprint of `/v1/explanations/{id}/{map.npy,overlay,heatmap}`."""
    blueprint = Blueprint("results", __name__, url_prefix="/v1/explanations/<job_id>")

    def require_result(job_id: str) -> tuple[Job, Result]:
        context = request_context()
        record = deps.lookup.read_job(job_id, context=context)
        if record.result is None:
            raise ResultNotReady(f"The explanation is {record.state}; it has no result.")
        return Job.model_validate_json(record.job), Result.model_validate_json(record.result)

    @blueprint.get("/map.npy")
    @requires(Scope.READ)
    @describe(GET_MAP)
    def get_map(job_id: str) -> Response:
        """Get the signed maps as a NumPy file.

        The array has the shape (targets, map_height, map_width), float32, in the order of
        `result.targets`.
        """
        _, result = require_result(job_id)
        body = _read_object(deps.store, result.objects["map"])
        return _file_response(body, "application/octet-stream", f"{job_id}.npy")

    @blueprint.get("/overlay")
    @requires(Scope.READ)
    @describe(GET_OVERLAY)
    def get_overlay(job_id: str) -> Response:
        """Get a JPEG of the image with one map drawn on it; see the drawing options."""
        job, result = require_result(job_id)
        options = RenderOptions.model_validate(request.args.to_dict())
        if options == RenderOptions() and "overlay" in result.objects:
            body = _read_object(deps.store, result.objects["overlay"])
        else:
            body = _render_overlay(deps, job, result, options)
        return _file_response(body, "image/jpeg", f"{job_id}.jpg")

    @blueprint.get("/heatmap")
    @requires(Scope.READ)
    @describe(GET_HEATMAP)
    def get_heatmap(job_id: str) -> Response:
        """Get a PNG of one map at the size of the image, transparent where the map has no cells."""
        job, result = require_result(job_id)
        options = RenderOptions.model_validate(request.args.to_dict())
        body = _render_heatmap(deps, job, result, options)
        return _file_response(body, "image/png", f"{job_id}.png")

    return blueprint


def _read_object(store: ObjectStore, key: str, *, what: str = "result") -> bytes:
    try:
        return store.get(key)
    except ObjectNotFound as error:
        raise ExplanationGone(f"The {what} is past its retention and was deleted.") from error


def _map_index(deps: Dependencies, result: Result, options: RenderOptions) -> int:
    """Return the index of the requested map. Raises `InvalidRequest` and `UnknownClass`."""
    if options.map is not None:
        if options.target is not None or options.map >= len(result.targets):
            last = len(result.targets) - 1
            raise InvalidRequest(f"map must be an index from 0 to {last}, without target.")
        return options.map
    if options.target is None:
        return 0
    class_index = deps.catalog.get(result.model).labels.index_of(options.target)
    explained = [target.score.index for target in result.targets]
    if class_index not in explained:
        names = ", ".join(f"{t.score.index} ({t.score.label})" for t in result.targets)
        raise InvalidRequest(f"Class {class_index} was not explained. Explained classes: {names}.")
    return explained.index(class_index)


def _scale(stored: MapArray, index: int, result: Result, job: Job, options: RenderOptions) -> float:
    return color_scale(
        stored,
        index,
        targets=result.targets,
        method=result.method,
        polarity=options.polarity,
        normalize=options.normalize or job.normalize,
    )


def _render_heatmap(deps: Dependencies, job: Job, result: Result, options: RenderOptions) -> bytes:
    stored = maps.decode_npy(_read_object(deps.store, result.objects["map"]))
    index = _map_index(deps, result, options)
    scale = _scale(stored, index, result, job, options)
    with deps.pixels.reserve(result.image_width_px * result.image_height_px):
        # Without a name, the image is freed before its pixels are.
        return codecs.encode_png(
            heatmap(
                stored[index],
                rectangle=result.covers,
                width_px=result.image_width_px,
                height_px=result.image_height_px,
                scale=scale,
                colormap=options.colormap,
                polarity=options.polarity,
            )
        )


def _render_overlay(deps: Dependencies, job: Job, result: Result, options: RenderOptions) -> bytes:
    stored = maps.decode_npy(_read_object(deps.store, result.objects["map"]))
    index = _map_index(deps, result, options)
    scale = _scale(stored, index, result, job, options)

    def draw(image: ImageArray) -> ImageArray:
        if job.preset and options.model_fields_set <= {"target", "map"}:
            return classic_overlay(image, stored[index], rectangle=result.covers)
        return overlay(
            image,
            stored[index],
            rectangle=result.covers,
            scale=scale,
            colormap=options.colormap,
            alpha=options.alpha,
            polarity=options.polarity,
        )

    body = _read_object(deps.store, job.image_key, what="image")
    cost = pixel_cost(body, width_px=result.image_width_px, height_px=result.image_height_px)
    with deps.pixels.reserve(cost):
        # Without names, the images are freed before their pixels are.
        return codecs.encode_jpeg(draw(codecs.decode(body, max_pixels=deps.settings.max_pixels)))


def _file_response(body: bytes, media_type: str, name: str) -> Response:
    response = Response(body, content_type=media_type)
    response.headers["Content-Disposition"] = f'inline; filename="{name}"'
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response
