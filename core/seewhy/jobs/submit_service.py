"""Accepting a job: a request is found good, its key is bound, and the job is promised."""

import contextlib
import hashlib
from dataclasses import dataclass
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
    Unavailable,
    UnknownLayer,
    UnknownMethod,
)
from seewhy.ids import new_job_id
from seewhy.imaging import codecs
from seewhy.jobs.manifest import Manifest
from seewhy.jobs.submission import JobSubmitter, UploadedImage
from seewhy.ledger.ports.ledger import Ledger
from seewhy.ledger.types import IdempotencyKey, ReservationStatus, lane_of
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import Job
from seewhy.schemas.request import ExplanationRequest
from seewhy.schemas.targets import resolve_targets
from seewhy.schemas.webhook_url import parse_webhook_url
from seewhy.settings import Settings
from seewhy.storage.keys import image_key
from seewhy.storage.port import ObjectStore


@dataclass(frozen=True, slots=True)
class ValidatedRequest:
    """A request that has been found good, and the picture it is about."""

    picture: UploadedImage
    job: Job
    lane: str
    deadline_ms: int | None
    digest: str
    fingerprint: str | None
    webhook: str | None
    context: RequestContext

    def manifest(self, job_id: str, key: str | None) -> Manifest:
        return Manifest(
            job_id=job_id,
            lane=self.lane,
            job=self.job.model_dump_json(),
            deadline_ms=self.deadline_ms,
            context=self.context,
            fingerprint=self.fingerprint,
            webhook=self.webhook,
            idempotency_key=key,
            request_digest=self.digest,
        )


class SubmitService:
    """Takes jobs in. One per process, used by many threads."""

    def __init__(
        self,
        *,
        settings: Settings,
        catalog: Catalog,
        ledger: Ledger,
        store: ObjectStore,
        wakeups: WakeupPublisher,
    ) -> None:
        """Accept into this ledger and store."""
        self._settings = settings
        self._catalog = catalog
        self._ledger = ledger
        self._promises = JobSubmitter(ledger=ledger, store=store, wakeups=wakeups)

    def accept(
        self,
        body: bytes,
        wanted: ExplanationRequest,
        *,
        key: str | None,
        context: RequestContext,
    ) -> Manifest:
        """Accept the picture for explanation and return the job's manifest.

        Raises `BadImage`, `InvalidRequest` and their kinds when the request cannot be honoured
        (nothing is written then), `Crowded` when there is no room for it, and `Unavailable` when
        it cannot be promised.
        """
        order = self._examine(body, wanted, context)
        bound = IdempotencyKey(key, order.digest) if key else None
        job_id = new_job_id()
        if bound:
            reservation = self._ledger.reserve(bound, job_id, context=context)
            if reservation.status is ReservationStatus.REUSED:
                raise IdempotencyKeyReused("this Idempotency-Key was used with another request")
            if reservation.status is ReservationStatus.BUSY:
                raise IdempotencyKeyBusy(
                    "the first request with this Idempotency-Key is being accepted"
                )
            job_id = reservation.job_id
        manifest = order.manifest(job_id, key or None)
        if bound and reservation.status is ReservationStatus.ACCEPTED:
            return manifest
        try:
            self._promises.submit(manifest, order.picture)
        except (Unavailable, Overloaded):
            if bound:
                with contextlib.suppress(LedgerUnavailable):
                    self._ledger.release_reservation(bound, job_id, context=context)
            raise
        return manifest

    def _examine(
        self, body: bytes, wanted: ExplanationRequest, context: RequestContext
    ) -> ValidatedRequest:
        spec = self._catalog.get(wanted.model or self._settings.default_model)
        for method in (wanted.method, *wanted.fallback):
            if method not in spec.methods and not wanted.preset:
                known = ", ".join(spec.methods)
                raise UnknownMethod(f"{spec.name} has no method {method!r}; it has: {known}")
        for layer in wanted.layers:
            if layer not in spec.offered_layers:
                offered = ", ".join(spec.offered_layers) or "its target layer alone"
                raise UnknownLayer(f"{spec.name} offers no layer {layer!r}; it offers: {offered}")
        targets = resolve_targets(wanted.targets, spec.labels)
        info = codecs.read_header(
            body,
            max_bytes=self._settings.max_upload_bytes,
            max_pixels=self._settings.max_pixels,
        )
        picture = hashlib.sha256(body).hexdigest()
        asked = picture + wanted.model_dump_json()
        job = Job(
            model=spec.name,
            method=wanted.preset or wanted.method,
            fallback=wanted.fallback,
            score="probability" if wanted.preset else wanted.score,
            targets=targets,
            layers=wanted.layers,
            preset=wanted.preset,
            normalize=wanted.normalize,
            outputs=wanted.outputs,
            box=wanted.box,
            image_key=image_key(picture),
            image_width_px=info.width_px,
            image_height_px=info.height_px,
            metadata=wanted.metadata,
        )
        return ValidatedRequest(
            picture=UploadedImage(image_key(picture), body, info.media_type),
            job=job,
            context=context,
            fingerprint=_fingerprint(job, spec, context) if wanted.cache else None,
            webhook=self._webhook(wanted.webhook),
            lane=lane_of(spec.name, wanted.priority),
            deadline_ms=None if wanted.deadline_s is None else round(wanted.deadline_s * 1000),
            digest=hashlib.sha256(asked.encode()).hexdigest(),
        )

    def _webhook(self, url: str | None) -> str | None:
        """Spell the URL so that the same receiver always reads the same."""
        if url is None:
            return None
        if self._settings.webhook_secrets is None:
            raise InvalidRequest("webhooks are off here: their operator has set no secret to sign")
        place = parse_webhook_url(url)
        return place.origin + place.target


def _fingerprint(job: Job, spec: ModelSpec, context: RequestContext) -> str:
    """Stand for all that an outcome depends on.

    Nobody is to learn from an answer that came at once what another tenant has asked.
    """
    asked = job.model_dump_json(exclude={"metadata"})
    parts = (context.tenant, metadata.version("seewhy"), spec.fingerprint, asked)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
