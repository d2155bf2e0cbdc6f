"""Accept a request: validate it, reserve its idempotency key, submit the job."""

import contextlib
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib import metadata

from seewhy.broker.wakeups import WakeupPublisher
from seewhy.catalog.catalog import Catalog
from seewhy.catalog.model_spec import ModelSpec
from seewhy.errors import (
    IdempotencyKeyBusy,
    IdempotencyKeyReused,
    InvalidRequest,
    LedgerUnavailable,
    Overloaded,
    TooManyPasses,
    Unavailable,
    UnknownLayer,
    UnknownMethod,
)
from seewhy.ids import new_job_id
from seewhy.imaging import codecs
from seewhy.jobs.manifest import Manifest
from seewhy.jobs.recovery import Recovery
from seewhy.jobs.submission import JobSubmitter, UploadedImage
from seewhy.ledger.ports.submission import SubmissionLedger
from seewhy.ledger.types import (
    Charge,
    IdempotencyKey,
    Quotas,
    QuotaUsage,
    ReservationStatus,
    Submission,
    lane_of,
    model_of,
)
from seewhy.quoting import quote
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import Job
from seewhy.schemas.passes import forward_passes
from seewhy.schemas.request import ExplanationRequest
from seewhy.schemas.targets import resolve_targets
from seewhy.schemas.webhook_url import parse_webhook_url
from seewhy.settings import Settings
from seewhy.storage.keys import image_key
from seewhy.storage.port import ObjectStore


@dataclass(frozen=True, slots=True)
class ValidatedRequest:
    """A valid request: the image to upload, and the job to submit for it."""

    image: UploadedImage
    submission: Submission
    """Without an idempotency key; its job id applies unless the key is bound to another."""
    digest: str
    """Identifies the image and the options, for comparison with an earlier request."""
    charge: Charge | None
    """What it takes from the quotas of its API key, if it has one."""


@dataclass(frozen=True, slots=True)
class AcceptedRequest:
    """An accepted job, and what is left of the quotas that it was charged to."""

    manifest: Manifest
    usage: QuotaUsage | None = None


class SubmitService:
    """Accepts requests. One per process, used by many threads."""

    def __init__(
        self,
        *,
        settings: Settings,
        catalog: Catalog,
        ledger: SubmissionLedger,
        store: ObjectStore,
        wakeups: WakeupPublisher,
        recovery: Recovery,
        require_served: Callable[[str], None],
    ) -> None:
        """Submit to this ledger and store; `recovery` knows the epoch of their jobs.

        `require_served` receives the model of each new job, and raises `ModelNotServed` to refuse.
        """
        self._settings = settings
        self._catalog = catalog
        self._ledger = ledger
        self._recovery = recovery
        self._require_served = require_served
        self._submitter = JobSubmitter(ledger=ledger, store=store, wakeups=wakeups)

    def accept(
        self,
        body: bytes,
        request: ExplanationRequest,
        *,
        key: str | None,
        context: RequestContext,
        quotas: Quotas | None = None,
    ) -> AcceptedRequest:
        """Accept an image for explanation. `quotas` are those of the API key in `context`.

        The same `key` and request return the same job again, which costs no quota; after a loss of
        jobs in the ledger, a request with a key waits until they are restored. Raises `BadImage`,
        `InvalidRequest` or a subclass before anything is written, `Overloaded` when a queue is full
        or a quota is used up, and `Unavailable` when the job cannot be stored or has no workers.
        """
        validated = self._validate(body, request, context, quotas)
        if not key:
            manifest = Manifest(submission=validated.submission)
            return self._submit(manifest, validated)
        return self._accept_once(validated, IdempotencyKey(key, validated.digest))

    def _accept_once(self, validated: ValidatedRequest, key: IdempotencyKey) -> AcceptedRequest:
        """Submit the job unless an earlier request with the same key did."""
        submission, context = validated.submission, validated.submission.context
        reservation = self._ledger.reserve(
            key, submission.job_id, context=context, epoch=self._recovery.epoch()
        )
        if reservation.status is ReservationStatus.INCOMPLETE:
            raise LedgerUnavailable("Redis lost jobs, which are being restored.")
        if reservation.status is ReservationStatus.REUSED:
            raise IdempotencyKeyReused("This Idempotency-Key was used with a different request.")
        if reservation.status is ReservationStatus.BUSY:
            raise IdempotencyKeyBusy("A request with this Idempotency-Key is in progress.")
        job_id = reservation.job_id
        manifest = Manifest(submission=replace(submission, job_id=job_id, key=key))
        if reservation.status is ReservationStatus.ACCEPTED:
            return AcceptedRequest(manifest)
        try:
            return self._submit(manifest, validated)
        except (Unavailable, Overloaded):
            with contextlib.suppress(LedgerUnavailable):
                self._ledger.release_reservation(key, job_id, context=context)
            raise

    def _submit(self, manifest: Manifest, validated: ValidatedRequest) -> AcceptedRequest:
        self._require_served(model_of(manifest.submission.lane))
        usage = self._submitter.submit(manifest, validated.image, charge=validated.charge)
        return AcceptedRequest(manifest, usage)

    def _validate(
        self,
        body: bytes,
        request: ExplanationRequest,
        context: RequestContext,
        quotas: Quotas | None,
    ) -> ValidatedRequest:
        spec = self._catalog.get(request.model or self._settings.default_model)
        _check_names(request, spec)
        targets = resolve_targets(request.targets, spec.labels)
        header = codecs.read_header(
            body,
            max_bytes=self._settings.max_upload_bytes,
            max_pixels=self._settings.max_pixels,
            max_side_px=self._settings.max_side_px,
        )
        image_digest = hashlib.sha256(body).hexdigest()
        image = UploadedImage(image_key(image_digest), body, header.media_type)
        job = Job(
            model=spec.name,
            method=request.preset or request.method,
            fallback=request.fallback,
            score="probability" if request.preset else request.score,
            targets=targets,
            layers=request.layers,
            preset=request.preset,
            normalize=request.normalize,
            outputs=request.outputs,
            box=request.box,
            image_key=image.key,
            image_width_px=header.width_px,
            image_height_px=header.height_px,
            metadata=request.metadata,
        )
        passes = _count_passes(job, limit=self._passes_limit(quotas))
        is_long = passes > self._settings.max_passes_per_batch
        submission = Submission(
            job_id=new_job_id(),
            lane=lane_of(spec.name, request.priority, long=is_long),
            job=job.model_dump_json(),
            deadline_ms=None if request.deadline_s is None else round(request.deadline_s * 1000),
            context=context,
            fingerprint=_fingerprint(job, spec, context) if request.cache else None,
            webhook_url=self._webhook_url(request.webhook),
        )
        digest = hashlib.sha256((image_digest + request.model_dump_json()).encode()).hexdigest()
        charge = None if quotas is None else Charge(quotas, passes)
        return ValidatedRequest(image, submission, digest, charge)

    def _passes_limit(self, quotas: Quotas | None) -> int:
        """Return the most passes of a request: more than a minute's quota would never fit."""
        limit = self._settings.max_passes_per_request
        return limit if quotas is None else min(limit, quotas.passes_per_minute)

    def _webhook_url(self, url: str | None) -> str | None:
        """Return the canonical form of a webhook URL, so that one receiver has one origin."""
        if url is None:
            return None
        if self._settings.webhook_secrets is None:
            raise InvalidRequest(
                "Webhooks are off on this server: its operator has set no signing secret."
            )
        parsed = parse_webhook_url(url)
        return parsed.origin + parsed.target


def _check_names(request: ExplanationRequest, spec: ModelSpec) -> None:
    for method in (request.method, *request.fallback):
        if method not in spec.methods and not request.preset:
            known = ", ".join(spec.methods)
            raise UnknownMethod(
                f"Model {spec.name} has no method {quote(method)}; choose from: {known}"
            )
    for layer in request.layers:
        if layer not in spec.offered_layers:
            offered = ", ".join(spec.offered_layers) or "its target layer only"
            raise UnknownLayer(
                f"Model {spec.name} has no layer {quote(layer)}; choose from: {offered}"
            )


def _count_passes(job: Job, *, limit: int) -> int:
    """Return how many forward passes a job may take. Raises `TooManyPasses` beyond the limit."""
    passes = math.ceil(forward_passes(job.method_options, targets=len(job.targets)))
    if passes > limit:
        raise TooManyPasses(
            f"This explanation may take {passes:,.0f} forward passes; the limit is {limit:,}. "
            "Request fewer targets, cheaper methods, fewer fallbacks, or no trust scores."
        )
    return passes


def _fingerprint(job: Job, spec: ModelSpec, context: RequestContext) -> str:
    """Digest everything that the outcome depends on.

    The tenant is part of it: a fast answer must not reveal what another tenant requested.
    """
    options = job.model_dump_json(exclude={"metadata"})
    parts = (context.tenant, _version(), spec.fingerprint, options)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@cache
def _version() -> str:
    return metadata.version("seewhy")
