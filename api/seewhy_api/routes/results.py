"""The routes of a result: its map, and pictures of it."""

from typing import Annotated, Literal

from flask import Blueprint, Response, request
from pydantic import BaseModel, ConfigDict, Field

from seewhy.errors import ExplanationGone, InvalidRequest, ObjectNotFound, ResultNotReady
from seewhy.imaging import codecs, maps
from seewhy.imaging.arrays import MapArray
from seewhy.imaging.rendering.classic import classic_overlay
from seewhy.imaging.rendering.color_scale import color_scale
from seewhy.imaging.rendering.overlay import heatmap, overlay
from seewhy.schemas.job import Job
from seewhy.schemas.result import Result
from seewhy.storage.port import ObjectStore
from seewhy_api.dependencies import Dependencies

_Heat = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class RenderOptions(BaseModel):
    """How a map is to be drawn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str | None = Field(None, description="A class that was explained; unset: the first.")
    map: int | None = Field(
        None, ge=0, description="A place among the result's targets, where a class is not enough."
    )
    colormap: str | None = None
    alpha: float = Field(0.6, ge=0, le=1)
    polarity: Literal["positive", "negative", "signed"] = "positive"
    normalize: Literal["image", "none"] | _Heat | None = Field(
        None, description="What is drawn as full heat; unset: as the request said."
    )


def create_results(parts: Dependencies) -> Blueprint:
    """Make the blueprint."""
    routes = Blueprint("results", __name__, url_prefix="/v1/explanations/<job_id>")

    def succeeded(job_id: str) -> tuple[Job, Result]:
        record = parts.lookup.require_job(parts.ledger.read(job_id), job_id)
        if record.result is None:
            raise ResultNotReady(f"the explanation is {record.state}: it has no result")
        return Job.model_validate_json(record.job), Result.model_validate_json(record.result)

    @routes.get("/map.npy")
    def numbers(job_id: str) -> Response:
        _, result = succeeded(job_id)
        body = _fetch(parts.store, result.objects["map"])
        return _served(body, "application/octet-stream", f"{job_id}.npy")

    @routes.get("/overlay")
    def picture(job_id: str) -> Response:
        job, result = succeeded(job_id)
        drawing = RenderOptions.model_validate(request.args.to_dict())
        if drawing == RenderOptions() and "overlay" in result.objects:
            body = _fetch(parts.store, result.objects["overlay"])
        else:
            body = _draw_overlay(parts, job, result, drawing)
        return _served(body, "image/jpeg", f"{job_id}.jpg")

    @routes.get("/heatmap")
    def heat(job_id: str) -> Response:
        job, result = succeeded(job_id)
        drawing = RenderOptions.model_validate(request.args.to_dict())
        signed = maps.decode_npy(_fetch(parts.store, result.objects["map"]))
        chosen = _chosen(parts, result, drawing)
        drawn = heatmap(
            signed[chosen],
            rectangle=result.covers,
            width_px=result.image_width_px,
            height_px=result.image_height_px,
            scale=_scale(signed, chosen, result, job, drawing),
            colormap=drawing.colormap,
            polarity=drawing.polarity,
        )
        return _served(codecs.encode_png(drawn), "image/png", f"{job_id}.png")

    @routes.after_request
    def open_to_labelling_tools(response: Response) -> Response:
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    return routes


def _fetch(store: ObjectStore, key: str, *, what: str = "result") -> bytes:
    try:
        return store.get(key)
    except ObjectNotFound as error:
        raise ExplanationGone(f"the {what} is no longer in the object store") from error


def _chosen(parts: Dependencies, result: Result, drawing: RenderOptions) -> int:
    if drawing.map is not None:
        if drawing.target is not None or drawing.map >= len(result.targets):
            last = len(result.targets) - 1
            raise InvalidRequest(f"map is a place from 0 to {last}, without a target beside it")
        return drawing.map
    if drawing.target is None:
        return 0
    index = parts.catalog.get(result.model).labels.index_of(drawing.target)
    explained = [target.score.index for target in result.targets]
    if index not in explained:
        listed = ", ".join(f"{t.score.index} ({t.score.label})" for t in result.targets)
        raise InvalidRequest(f"class {index} was not explained here; these were: {listed}")
    return explained.index(index)


def _scale(
    signed: MapArray, chosen: int, result: Result, job: Job, drawing: RenderOptions
) -> float:
    return color_scale(
        signed,
        chosen,
        targets=result.targets,
        method=result.method,
        polarity=drawing.polarity,
        normalize=drawing.normalize or job.normalize,
    )


def _draw_overlay(parts: Dependencies, job: Job, result: Result, drawing: RenderOptions) -> bytes:
    signed = maps.decode_npy(_fetch(parts.store, result.objects["map"]))
    picture = _fetch(parts.store, job.image_key, what="picture")
    photo = codecs.decode(picture, max_pixels=parts.settings.max_pixels)
    chosen = _chosen(parts, result, drawing)
    if job.preset and drawing.model_fields_set <= {"target", "map"}:
        return codecs.encode_jpeg(classic_overlay(photo, signed[chosen], rectangle=result.covers))
    drawn = overlay(
        photo,
        signed[chosen],
        rectangle=result.covers,
        scale=_scale(signed, chosen, result, job, drawing),
        colormap=drawing.colormap,
        alpha=drawing.alpha,
        polarity=drawing.polarity,
    )
    return codecs.encode_jpeg(drawn)


def _served(body: bytes, media_type: str, name: str) -> Response:
    response = Response(body, content_type=media_type)
    response.headers["Content-Disposition"] = f'inline; filename="{name}"'
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response
