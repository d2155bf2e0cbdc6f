"""Publishing: writes an explanation to the object store before the ledger records it."""

import hashlib
import json
import logging
import time
from collections.abc import Iterable, Mapping, Sequence

from seewhy.errors import ObjectNotFound
from seewhy.imaging import codecs, maps
from seewhy.imaging.arrays import ImageArray
from seewhy.imaging.rendering.classic import classic_overlay
from seewhy.imaging.rendering.color_scale import color_scale
from seewhy.imaging.rendering.overlay import overlay
from seewhy.imaging.structure import structure
from seewhy.jobs.stored_outcomes import read_success
from seewhy.ledger.types import Claim, Completion
from seewhy.schemas.installed_methods import package_versions
from seewhy.schemas.job import Job
from seewhy.schemas.reference import RequestReference
from seewhy.schemas.result import OtherMaps, Result, map_object
from seewhy.storage.keys import RESULT_DOCUMENT, image_id_of, result_key
from seewhy.storage.port import ObjectStore
from seewhy_worker.explain.concentration import with_concentration
from seewhy_worker.explain.regions import with_regions
from seewhy_worker.explain.trust_scores import with_localization
from seewhy_worker.explain.types import Explainer, ImageExplanation
from seewhy_worker.pipeline.exposure import Exposure
from seewhy_worker.pipeline.fetch import FetchedJob
from seewhy_worker.pipeline.job_images import JobImages

_log = logging.getLogger(__name__)

FILES = {
    "overlay": ("overlay.jpg", "image/jpeg"),
    "result": (RESULT_DOCUMENT, "application/json"),
}
"""Name and content type of each object other than maps."""


class ResultPublisher:
    """Writes results under `results/<job id>/<fence>/`. Thread-safe.

    The fence is part of the key, so a worker that lost its claim cannot overwrite the objects of
    the worker that holds it now.
    """

    def __init__(
        self,
        *,
        store: ObjectStore,
        images: JobImages,
        exposure: Exposure,
        versions: Mapping[str, str],
    ) -> None:
        """Write to `store`; `versions` of the software become part of each result."""
        self._store = store
        self._images = images
        self._exposure = exposure
        self._versions = dict(versions)

    def publish(
        self,
        fetched: FetchedJob,
        explanations: Sequence[ImageExplanation],
        explainer: Explainer,
        *,
        timings_ms: Mapping[str, float],
    ) -> Result:
        """Render and store everything the job asks for; one explanation for each method and layer.

        Raises `StoreUnavailable`, and `ImageGone` when an image that was not kept has expired.
        """
        started = time.perf_counter()
        job, claim = fetched.job, fetched.claim
        explanations = [self._measure(one, job) for one in with_concentration(explanations)]
        explanation, *others = explanations
        bodies = {
            map_object(position): maps.encode_npy(one.maps)
            for position, one in enumerate(explanations)
        }
        if "overlay" in job.outputs:
            bodies["overlay"] = self._images.draw(
                job, fetched.image, lambda image: _draw(image, job, explanation)
            )
        render_ms = (time.perf_counter() - started) * 1000
        self._exposure.end(claim)
        store_ms = self._put_all(fetched, bodies)
        own_ms = {"prepare": fetched.prepare_ms, "render": render_ms, "store": store_ms}
        result = Result(
            model=job.model,
            model_digest=explainer.digest,
            **dict(_maps(explanation)),
            tried=explanation.tried,
            score=job.score,
            inputs=job.inputs,
            within=job.within,
            reference=_reference(job),
            top=explanation.top,
            covers=explanation.covers,
            channels=explanation.channels,
            image_width_px=job.image_width_px,
            image_height_px=job.image_height_px,
            structure=round(structure(fetched.tasks[0].image.pixels), 4),
            other_maps=tuple(map(_maps, others)),
            objects={name: self._key(fetched, name) for name in (*bodies, "result")},
            digests={name: hashlib.sha256(body).hexdigest() for name, body in bodies.items()},
            body=explanation.body,
            timings_ms={**timings_ms, **own_ms},
            engine=_engines(explanations),
            versions={**self._versions, **package_versions(one.method for one in explanations)},
        )
        document = {
            "job_id": claim.job_id,
            "attempt": claim.attempt,
            "metadata": job.metadata,
            **result.model_dump(mode="json"),
        }
        self._put(fetched, "result", json.dumps(document).encode())
        return result

    def find_published(self, claim: Claim) -> Completion | None:
        """Return the result that an earlier claim has stored, if the ledger may have lost it.

        Raises `StoreUnavailable`.
        """
        if not claim.may_have_result:
            return None
        try:
            outcome = read_success(self._store, claim.job_id, finished_ms=0)
        except (ObjectNotFound, ValueError) as error:
            _log.warning("Job %s runs again: cannot read its result: %s", claim.job_id, error)
            return None
        if outcome is None or outcome.result is None:
            return None
        return Completion(claim, outcome.result, stored_fence=outcome.fence)

    def _measure(self, explanation: ImageExplanation, job: Job) -> ImageExplanation:
        """Add what is measured on the map alone, as far as the job asks for it."""
        if job.box:
            explanation = with_localization(explanation, job.box)
        if "regions" not in job.outputs:
            return explanation
        with self._images.reserved(job):
            return with_regions(
                explanation,
                width_px=job.image_width_px,
                height_px=job.image_height_px,
                threshold=job.threshold,
            )

    def _key(self, fetched: FetchedJob, name: str) -> str:
        return result_key(fetched.claim.job_id, fetched.claim.fence, _file(name)[0])

    def _put_all(self, fetched: FetchedJob, bodies: Mapping[str, bytes]) -> float:
        """Store objects by name; return how many ms it took."""
        started_s = time.perf_counter()
        for name, body in bodies.items():
            self._put(fetched, name, body)
        return (time.perf_counter() - started_s) * 1000

    def _put(self, fetched: FetchedJob, name: str, body: bytes) -> None:
        self._store.put(self._key(fetched, name), body, content_type=_file(name)[1])


def _file(name: str) -> tuple[str, str]:
    """Return the file name and content type of an object."""
    return FILES.get(name) or (f"{name}.npy", "application/octet-stream")


def _maps(explanation: ImageExplanation) -> OtherMaps:
    return OtherMaps(
        method=explanation.method,
        layer=explanation.layer,
        linear=explanation.linear,
        targets=explanation.targets,
        map_height=explanation.maps.shape[1],
        map_width=explanation.maps.shape[2],
        stride_px=explanation.stride_px,
        receptive_field_px=explanation.receptive_field_px,
    )


def _engines(explanations: Iterable[ImageExplanation]) -> str:
    """Name everything that computed passes for one of the maps, in order."""
    return " and ".join(dict.fromkeys(name for one in explanations for name in one.engines))


def _draw(image: ImageArray, job: Job, explanation: ImageExplanation) -> bytes:
    """Draw the first target's map on the image, as a JPEG."""
    first, covers = explanation.maps[0], explanation.covers
    if job.preset:
        drawn = classic_overlay(image, first, rectangle=covers)
    else:
        scale = color_scale(
            explanation.maps,
            0,
            targets=explanation.targets,
            method=explanation.method,
            polarity="positive",
            normalize=job.normalize,
        )
        drawn = overlay(image, first, rectangle=covers, scale=scale)
    return codecs.encode_jpeg(drawn)


def _reference(job: Job) -> RequestReference | None:
    image_id = image_id_of(job.reference.key) if job.reference else None
    return RequestReference(image_id=image_id) if image_id else None
