"""Accept a request: validate it, reserve its idempotency key, submit the job."""

import contextlib
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from seewhy.catalog.catalog import Catalog
from seewhy.catalog.model_spec import ModelSpec
from seewhy.errors import (
    IdempotencyKeyBusy,
    IdempotencyKeyReused,
    InvalidRequest,
    LedgerUnavailable,
    SeewhyError,
    TooManyPasses,
    UnknownLayer,
    UnknownMethod,
)
from seewhy.ids import new_job_id
from seewhy.jobs.image_sources import ImageResolver, ImageSource
from seewhy.jobs.job_builder import ValidatedRequest, build_submission, method_options
from seewhy.jobs.manifest import Manifest
from seewhy.jobs.recovery import Recovery
from seewhy.jobs.submission import JobSubmitter
from seewhy.ledger.ports.submission import SubmissionLedger
from seewhy.ledger.types import (
    Charge,
    IdempotencyKey,
    Quotas,
    QuotaUsage,
    ReservationStatus,
    lane_of,
    model_of,
)
from seewhy.quoting import quote
from seewhy.schemas.context import RequestContext
from seewhy.schemas.http_url import parse_http_url
from seewhy.schemas.inputs import merge_inputs
from seewhy.schemas.job import MethodOptions
from seewhy.schemas.passes import forward_passes
from seewhy.schemas.reference import REFERENCE_LABELS
from seewhy.schemas.request import ExplanationRequest
from seewhy.schemas.targets import resolve_targets
from seewhy.settings import Settings


@dataclass(frozen=True, slots=True)
class AcceptedRequest:
    """An accepted job, and what is left of the quotas that it was charged to."""

    job_id: str
    manifest: Manifest | None = None
    """None when an earlier request with the same idempotency key was accepted."""
    usage: QuotaUsage | None = None


class SubmitService:
    """Accepts requests. One per process, used by many threads."""

    def __init__(
        self,
        *,
        settings: Settings,
        catalog: Catalog,
        ledger: SubmissionLedger,
        images: ImageResolver,
        submitter: JobSubmitter,
        recovery: Recovery,
        require_served: Callable[[str], None],
        cost_of: Callable[[str, Sequence[MethodOptions], int], int],
    ) -> None:
        """Submit with `submitter` to this ledger; `recovery` knows the epoch of its jobs.

        `require_served` receives the model of each new job, and raises `ModelNotServed` to refuse.
        `cost_of` estimates the cost from the model, the methods and the number of targets.
        """
        self._settings = settings
        self._catalog = catalog
        self._ledger = ledger
        self._images = images
        self._submitter = submitter
        self._recovery = recovery
        self._require_served = require_served
        self._cost_of = cost_of

    def accept(
        self,
        source: ImageSource,
        request: ExplanationRequest,
        *,
        key: str | None,
        context: RequestContext,
        quotas: Quotas | None = None,
        push_url: str | None = None,
    ) -> AcceptedRequest:
        """Accept an image for explanation. `quotas` are those of the API key in `context`.

        `push_url` is where the dispatcher delivers the outcome, instead of a webhook.

        The same `key` and request return the same job again, which costs no quota and reads no
        image; after a loss of jobs in the ledger, a request with a key waits until they are
        restored. Raises `BadImage`, `InvalidRequest` or a subclass before anything is written to
        the store, `Overloaded` when a queue is full or a quota is used up, and `Unavailable` when
        the job cannot be stored or has no workers.
        """
        validated = self.validate(request, context, quotas)
        if push_url is not None:
            validated = replace(validated, webhook_url=push_url)
        source = self._images.prepare(source, context=context)  # a bad one binds no key
        if not key:
            return self._submit(new_job_id(), source, validated)
        digest = hashlib.sha256((source.identity + request.model_dump_json()).encode()).hexdigest()
        return self._accept_once(source, validated, IdempotencyKey(key, digest))

    def _accept_once(
        self, source: ImageSource, validated: ValidatedRequest, key: IdempotencyKey
    ) -> AcceptedRequest:
        """Submit the job unless an earlier request with the same key did."""
        context = validated.context
        reservation = self._ledger.reserve(
            key, new_job_id(), context=context, epoch=self._recovery.epoch()
        )
        if reservation.status is ReservationStatus.INCOMPLETE:
            raise LedgerUnavailable("Redis lost jobs, which are being restored.")
        if reservation.status is ReservationStatus.REUSED:
            raise IdempotencyKeyReused("This Idempotency-Key was used with a different request.")
        if reservation.status is ReservationStatus.BUSY:
            raise IdempotencyKeyBusy("A request with this Idempotency-Key is in progress.")
        job_id = reservation.job_id
        if reservation.status is ReservationStatus.ACCEPTED:
            return AcceptedRequest(job_id)
        try:
            return self._submit(job_id, source, validated, key=key)
        except SeewhyError:
            with contextlib.suppress(LedgerUnavailable):
                self._ledger.release_reservation(key, job_id, context=context)
            raise

    def _submit(
        self,
        job_id: str,
        source: ImageSource,
        validated: ValidatedRequest,
        *,
        key: IdempotencyKey | None = None,
    ) -> AcceptedRequest:
        self._require_served(model_of(validated.lane))
        context, charge = validated.context, validated.charge
        self._submitter.require_room(validated.lane, context=context, charge=charge)
        image = self._images.resolve(source, context=context)
        reference = self._images.resolve_reference(validated.request, context=context)
        submission = build_submission(job_id, image, validated, reference=reference, key=key)
        manifest = Manifest(submission=submission)
        if reference:
            self._images.store(reference)
        usage = self._submitter.submit(manifest, image.upload, charge=charge)
        return AcceptedRequest(job_id, manifest, usage)

    def validate(
        self, request: ExplanationRequest, context: RequestContext, quotas: Quotas | None
    ) -> ValidatedRequest:
        """Check a request without its image. Raises `InvalidRequest` or a subclass."""
        spec = self._catalog.get(request.model or self._settings.default_model)
        check_names(request, spec)
        _check_values(request, spec)
        labels = REFERENCE_LABELS if request.reference else spec.labels
        targets = resolve_targets(request.targets, labels, spec.scores)
        methods = method_options(request, spec)
        passes = _count_passes(
            methods,
            targets=len(targets),
            images=2 if request.reference else 1,
            limit=self._passes_limit(quotas),
        )
        is_long = passes > self._settings.max_passes_per_batch
        return ValidatedRequest(
            request=request,
            spec=spec,
            targets=targets,
            inputs=merge_inputs(spec.inputs, request.inputs),
            lane=lane_of(spec.name, request.priority, long=is_long),
            webhook_url=self.webhook_url(request.webhook),
            context=context,
            charge=None if quotas is None else Charge(quotas, passes),
            cost=self._cost_of(spec.name, methods, len(targets)),
        )

    def _passes_limit(self, quotas: Quotas | None) -> int:
        """Return the most passes of a request: more than a minute's quota would never fit."""
        limit = self._settings.max_passes_per_request
        return limit if quotas is None else min(limit, quotas.passes_per_minute)

    def webhook_url(self, url: str | None) -> str | None:
        """Return the canonical form of a webhook URL, so that one receiver has one origin.

        Raises `InvalidRequest` when webhooks are off.
        """
        if url is None:
            return None
        if self._settings.webhook_secrets is None:
            raise InvalidRequest(
                "Webhooks are off on this server: its operator has set no signing secret."
            )
        parsed = parse_http_url(url)
        return parsed.origin + parsed.target


def check_names(request: ExplanationRequest, spec: ModelSpec) -> None:
    """Raise `UnknownMethod` or `UnknownLayer` for a name that the model does not offer."""
    for method in (*request.chosen_methods, *request.fallback):
        if method not in spec.methods and not request.preset:
            known = ", ".join(spec.methods)
            raise UnknownMethod(
                f"Model {spec.name} has no method {quote(method)}; choose from: {known}"
            )
    for layer in (layer for layers in request.chosen_layers for layer in layers):
        if layer not in spec.offered_layers:
            offered = ", ".join(spec.offered_layers) or "its target layer only"
            raise UnknownLayer(
                f"Model {spec.name} has no layer {quote(layer)}; choose from: {offered}"
            )


def _check_values(request: ExplanationRequest, spec: ModelSpec) -> None:
    """Raise `InvalidRequest` for options that do not suit what the model outputs."""
    if request.within and spec.scores != "segments":
        raise InvalidRequest(
            f"Model {spec.name} outputs {spec.scores} of the whole image, and within needs a model "
            "that scores each pixel; remove it."
        )
    if request.reference and spec.scores != "embedding":
        raise InvalidRequest(
            f"Model {spec.name} outputs {spec.scores}, and reference needs a model of embeddings; "
            "remove it."
        )
    if spec.scores == "classes":
        return
    needing = {
        "preset": request.preset is not None,
        "score": request.score == "probability",
        "trust in outputs": "trust" in request.outputs,
    }
    if named := [field for field, is_named in needing.items() if is_named]:
        raise InvalidRequest(
            f"Model {spec.name} outputs {spec.scores}, and {named[0]} needs the probability of a "
            "class for the whole image; "
            "remove it."
        )


def _count_passes(
    methods: Sequence[MethodOptions], *, targets: int, images: int, limit: int
) -> int:
    """Return how many forward passes a job may take. Raises `TooManyPasses` beyond the limit.

    Of its images one is explained; another one is compared with it.
    """
    passes = math.ceil(forward_passes(*methods, targets=targets)) + images - 1
    if passes > limit:
        raise TooManyPasses(
            f"This explanation may take {passes:,.0f} forward passes; the limit is {limit:,}. "
            "Request fewer targets, cheaper methods, fewer fallbacks, or no trust scores."
        )
    return passes
