"""The routes of the model catalog."""

from collections.abc import Sequence
from http import HTTPStatus

from flask import Blueprint, Response, jsonify
from pydantic import Field

from seewhy.catalog.model_spec import Geometry, InputSize, ModelSpec
from seewhy.errors import UnknownModel
from seewhy.estimates.measured_times import Quantiles
from seewhy.ledger.types import DeviceTimes
from seewhy.schemas.installed_methods import known_methods
from seewhy.schemas.job import MethodOptions
from seewhy.schemas.methods import CatalogScores
from seewhy.schemas.passes import forward_passes, without_body
from seewhy_api.http.auth import requires
from seewhy_api.http.explanation_body import ResponseModel
from seewhy_api.http.problems import problem
from seewhy_api.openapi.declarations import Answer, Link, Operation, describe
from seewhy_api.routes.dependencies import Dependencies


class MeasuredTime(ResponseModel):
    """The device time that a method takes for one image with one target, as workers measured it."""

    device: str = Field(description="The kind of device: `cpu`, or the name of a GPU.")
    images: int = Field(description="How many images were measured, of the last 32.")
    p50_s: float = Field(description="The median, in seconds.")
    p90_s: float = Field(description="The 90th percentile, in seconds.")
    further_p50_s: float = Field(description="The median after the first of several `methods`.")


class Method(ResponseModel):
    """A method that a model offers."""

    name: str
    forward_passes: float = Field(description="Its cost, in forward passes of VGG16.")
    forward_passes_at_layer: float | None = Field(
        description="Its cost for each target at another layer than the target layer, or null."
    )
    further_passes: float = Field(
        description="Its cost after the first of several `methods`: they share the pass through "
        "the body."
    )
    measured: tuple[MeasuredTime, ...] = Field(
        description="One entry for each kind of device; empty until a worker has run the method."
    )
    linear: bool = Field(description="Whether a difference of maps explains that of the scores.")
    has_layer: bool = Field(description="Whether a request may choose the layer.")
    fuses: bool = Field(description="Whether it can fuse the maps of several layers.")
    paper: str = Field(
        description="An arXiv id or a DOI; also a URL, for a method of another package."
    )


class Model(ResponseModel):
    """A model of the catalog."""

    name: str
    source: str
    digest: str = Field(description="The identity of the weights.")
    input: InputSize
    inputs: dict[str, tuple[float, ...]] = Field(
        description="The inputs beside the image, with the values of requests that give none."
    )
    geometry: Geometry
    layer: str | None = Field(description="The target layer, if the catalog names it.")
    layers: tuple[str, ...] = Field(description="The layers that a request may name.")
    scores: CatalogScores = Field(
        description="What the model outputs: scores of `classes`, `values` such as an age, "
        "`segments`, which are scores of classes for each pixel, or an `embedding`, whose classes "
        "are the references that it is compared with."
    )
    classes: int = Field(description="How many classes it has, or outputs.")
    methods: tuple[Method, ...]


class LabeledModel(Model):
    """A model of the catalog with its classes."""

    labels: tuple[str, ...] = Field(
        description="The names of the classes, or of the outputs of a model of values, in the "
        "order of their indices. Names may repeat."
    )


class Models(ResponseModel):
    """The catalog."""

    models: tuple[Model, ...]
    default: str = Field(description="The model of requests that name none.")


LIST = Operation(
    id="list_models",
    tag="catalog",
    answers=(
        Answer(
            description="The catalog.",
            model=Models,
            links=(Link(operation_id="get_model", parameters={"name": "$response.body#/default"}),),
        ),
    ),
)
GET = Operation(
    id="get_model",
    tag="catalog",
    answers=(Answer(description="The model.", model=LabeledModel),),
    errors_of_path=(UnknownModel,),
)


def create_models_blueprint(deps: Dependencies) -> Blueprint:
    """Create the blueprint of `/v1/models`."""
    blueprint = Blueprint("models", __name__, url_prefix="/v1/models")

    @blueprint.get("")
    @requires()
    @describe(LIST)
    def list_models() -> Response:
        """List the models of the catalog, and the default model.

        `measured` has the seconds that each method takes. A request with several `methods` costs
        the first one, and of each further one what it costs without the body.
        """
        models = tuple(_model(deps, deps.catalog.get(name)) for name in deps.catalog.names())
        body = Models(models=models, default=deps.settings.default_model)
        return jsonify(body.model_dump(mode="json"))

    @blueprint.get("/<name>")
    @requires()
    @describe(GET)
    def get_model(name: str) -> Response:
        """Get one model: its input, layers, methods and classes."""
        try:
            spec = deps.catalog.get(name)
        except UnknownModel as error:  # in a path it is a 404; in a request body a 422
            return problem(HTTPStatus.NOT_FOUND, error.code, str(error))
        model = LabeledModel(**dict(_model(deps, spec)), labels=tuple(spec.labels))
        return jsonify(model.model_dump(mode="json"))

    return blueprint


def _model(deps: Dependencies, spec: ModelSpec) -> Model:
    times = deps.forecaster.times.of(spec.name)
    return Model(
        name=spec.name,
        source=spec.source,
        digest=spec.digest,
        input=spec.input,
        inputs=dict(spec.inputs),
        geometry=spec.geometry,
        layer=spec.layer,
        layers=spec.offered_layers,
        scores=spec.scores,
        classes=len(spec.labels),
        methods=tuple(_method(name, times) for name in spec.methods),
    )


def _method(name: str, times: DeviceTimes) -> Method:
    info = known_methods()[name]
    elsewhere = MethodOptions(method=name, layers=("any",))
    measured = ((device, values) for device, each in times.items() if (values := each.get(name)))
    return Method(
        name=name,
        forward_passes=info.forward_passes,
        forward_passes_at_layer=forward_passes(elsewhere, targets=1) if info.uses_layer else None,
        further_passes=without_body(info.forward_passes),
        measured=tuple(_measured_time(name, device, values) for device, values in measured),
        linear=info.linear,
        has_layer=info.uses_layer,
        fuses=info.fusable,
        paper=info.paper,
    )


def _measured_time(name: str, device: str, values_ms: Sequence[float]) -> MeasuredTime:
    found, passes = Quantiles.of(values_ms), known_methods()[name].forward_passes
    return MeasuredTime(
        device=device,
        images=len(values_ms),
        p50_s=round(found.p50 / 1000, 4),
        p90_s=round(found.p90 / 1000, 4),
        further_p50_s=round(found.p50 / 1000 * without_body(passes) / passes, 4),
    )
