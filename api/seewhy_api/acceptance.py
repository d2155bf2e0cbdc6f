"""Accepting a job: a request is found good, its key is bound, and the job is promised."""

import contextlib
import hashlib
from dataclasses import dataclass
from importlib import metadata

from seewhy import images
from seewhy.catalog import Catalog, ModelSpec
from seewhy.errors import (
    Crowded,
    InvalidRequest,
    KeyBusy,
    KeyReused,
    LedgerUnavailable,
    Unavailable,
    UnknownLayer,
    UnknownMethod,
)
from seewhy.explanations import ExplanationRequest, Job
from seewhy.hints import Bell
from seewhy.ids import new_job_id
from seewhy.ledger.ledger import Ledger
from seewhy.ledger.records import DEFAULT_TENANT, IdempotencyKey, Reserved, lane_of
from seewhy.manifests import Manifest
from seewhy.objects.keys import image_key
from seewhy.objects.store import ObjectStore
from seewhy.promising import Picture, Promises
from seewhy.settings import Settings
from seewhy.targets import resolve_targets
from seewhy.webhooks import place_of


@dataclass(frozen=True, slots=True)
class _Order:
    """A request that has been found good, and the picture it is about."""

    picture: Picture
    job: Job
    lane: str
    deadline_ms: int | None
    digest: str
    fingerprint: str | None
    webhook: str | None
    tenant: str

    def manifest(self, job_id: str, key: str | None) -> Manifest:
        return Manifest(
            job_id=job_id,
            lane=self.lane,
            job=self.job.model_dump_json(),
            deadline_ms=self.deadline_ms,
            tenant=self.tenant,
            fingerprint=self.fingerprint,
            webhook=self.webhook,
            idempotency_key=key,
            request_digest=self.digest,
        )


class Acceptance:
    """Takes jobs in. One per process, used by many threads."""

    def __init__(
        self,
        *,
        settings: Settings,
        catalog: Catalog,
        ledger: Ledger,
        store: ObjectStore,
        bell: Bell,
    ) -> None:
        """Accept into this ledger and store."""
        self._settings = settings
        self._catalog = catalog
        self._ledger = ledger
        self._promises = Promises(ledger=ledger, store=store, bell=bell)

    def accept(
        self,
        body: bytes,
        wanted: ExplanationRequest,
        *,
        key: str | None,
        tenant: str = DEFAULT_TENANT,
    ) -> Manifest:
        """Accept the picture for explanation and return the job's manifest.

        Raises `BadImage`, `InvalidRequest` and their kinds when the request cannot be honoured
        (nothing is written then), `Crowded` when there is no room for it, and `Unavailable` when
        it cannot be promised.
        """
        order = self._examine(body, wanted, tenant)
        bound = IdempotencyKey(key, order.digest, tenant) if key else None
        job_id = new_job_id()
        if bound:
            reservation = self._ledger.reserve(bound, job_id)
            if reservation.status is Reserved.REUSED:
                raise KeyReused("this Idempotency-Key was used with another request")
            if reservation.status is Reserved.BUSY:
                raise KeyBusy("the first request with this Idempotency-Key is being accepted")
            job_id = reservation.job_id
        manifest = order.manifest(job_id, key or None)
        if bound and reservation.status is Reserved.ACCEPTED:
            return manifest
        try:
            self._promises.promise(manifest, order.picture)
        except (Unavailable, Crowded):
            if bound:
                with contextlib.suppress(LedgerUnavailable):
                    self._ledger.abandon(bound, job_id)
            raise
        return manifest

    def _examine(self, body: bytes, wanted: ExplanationRequest, tenant: str) -> _Order:
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
        info = images.inspect(
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
        return _Order(
            picture=Picture(image_key(picture), body, info.media_type),
            job=job,
            tenant=tenant,
            fingerprint=_fingerprint(job, spec, tenant) if wanted.cache else None,
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
        place = place_of(url)
        return place.origin + place.target


def _fingerprint(job: Job, spec: ModelSpec, tenant: str) -> str:
    """Stand for all that an outcome depends on.

    Nobody is to learn from an answer that came at once what another tenant has asked.
    """
    asked = job.model_dump_json(exclude={"metadata"})
    parts = (tenant, metadata.version("seewhy"), spec.fingerprint, asked)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
