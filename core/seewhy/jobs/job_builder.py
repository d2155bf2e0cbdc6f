"""Build the job of a valid request."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib import metadata

from seewhy.annotations.coco.selection import check_within
from seewhy.catalog.model_spec import ModelSpec
from seewhy.jobs.image_sources import ResolvedImage
from seewhy.ledger.types import Charge, IdempotencyKey, Submission
from seewhy.schemas.context import RequestContext
from seewhy.schemas.installed_methods import package_versions
from seewhy.schemas.job import Job, MethodOptions
from seewhy.schemas.methods import ScoreKind
from seewhy.schemas.reference import StoredReference
from seewhy.schemas.request import ExplanationRequest
from seewhy.schemas.targets import TargetOrIndex


@dataclass(frozen=True, slots=True)
class ValidatedRequest:
    """A valid request, before its image is read."""

    request: ExplanationRequest
    spec: ModelSpec
    targets: tuple[TargetOrIndex, ...]
    inputs: dict[str, tuple[float, ...]]
    """The values of all inputs beside the image."""
    lane: str
    webhook_url: str | None
    context: RequestContext
    charge: Charge | None
    """What it takes from the quotas of its API key, if it has one."""
    cost: int
    """As `Submission.cost` has it."""


def _methods(request: ExplanationRequest) -> tuple[str, ...]:
    return (request.preset,) if request.preset else request.chosen_methods


def _layers(request: ExplanationRequest, spec: ModelSpec) -> tuple[tuple[str, ...], ...]:
    """Return the chosen layers; the target layer has no name, because it costs less than others."""
    return tuple(() if layers == (spec.layer,) else layers for layers in request.chosen_layers)


def method_options(request: ExplanationRequest, spec: ModelSpec) -> tuple[MethodOptions, ...]:
    """Return the options of each method at each layer, as those of the job will be."""
    return tuple(
        MethodOptions(
            method=method,
            fallback=request.fallback,
            score=_score(request, spec),
            layers=layers,
            trust="trust" in request.outputs,
        )
        for method in _methods(request)
        for layers in _layers(request, spec)
    )


def _score(request: ExplanationRequest, spec: ModelSpec) -> ScoreKind:
    if spec.outputs == "values":
        return "value"
    return "probability" if request.preset else request.score


def build_submission(
    job_id: str,
    image: ResolvedImage,
    validated: ValidatedRequest,
    *,
    reference: ResolvedImage | None = None,
    key: IdempotencyKey | None = None,
) -> Submission:
    """Return the job to submit for a valid request, with the image that it compares with.

    Raises `InvalidRequest` or a subclass when the request does not suit the image.
    """
    request = validated.request
    width_px, height_px = image.header.width_px, image.header.height_px
    if request.within:
        check_within(request.within, width_px=width_px, height_px=height_px)
    method, *other_methods = _methods(request)
    layers, *other_layers = _layers(request, validated.spec)
    job = Job(
        model=validated.spec.name,
        method=method,
        other_methods=tuple(other_methods),
        fallback=request.fallback,
        score=_score(request, validated.spec),
        targets=validated.targets,
        inputs=validated.inputs,
        within=request.within,
        reference=reference and _stored_reference(reference),
        layers=layers,
        other_layers=tuple(other_layers),
        preset=request.preset,
        normalize=request.normalize,
        threshold=request.threshold,
        outputs=request.outputs,
        box=request.box,
        image_key=image.upload.key,
        image_width_px=width_px,
        image_height_px=height_px,
        metadata=request.metadata,
    )
    return Submission(
        job_id=job_id,
        lane=validated.lane,
        job=job.model_dump_json(),
        key=key,
        deadline_ms=None if request.deadline_s is None else round(request.deadline_s * 1000),
        context=validated.context,
        fingerprint=_fingerprint(job, validated) if request.cache else None,
        webhook_url=validated.webhook_url,
        cost=validated.cost,
    )


def _stored_reference(image: ResolvedImage) -> StoredReference:
    header = image.header
    return StoredReference(
        key=image.upload.key, width_px=header.width_px, height_px=header.height_px
    )


def _fingerprint(job: Job, validated: ValidatedRequest) -> str:
    """Digest everything that the outcome depends on.

    The tenant is part of it: a fast answer must not reveal what another tenant requested.
    """
    options = job.model_dump_json(exclude={"metadata"})
    methods = [name for each in job.method_options for name in (each.method, *each.fallback)]
    versions = {"seewhy": _version(), **package_versions(methods)}
    parts = (
        validated.context.tenant,
        json.dumps(versions, sort_keys=True),
        validated.spec.fingerprint,
        options,
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@cache
def _version() -> str:
    return metadata.version("seewhy")
