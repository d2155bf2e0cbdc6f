"""Publication: an explanation becomes objects, all of them before the ledger hears of it."""

import hashlib
import json
import time
from collections.abc import Mapping

from seewhy.imaging import codecs, maps
from seewhy.imaging.rendering.classic import classic_overlay
from seewhy.imaging.rendering.color_scale import color_scale
from seewhy.imaging.rendering.overlay import overlay
from seewhy.schemas.result import Result
from seewhy.storage.keys import RESULT_DOCUMENT, result_key
from seewhy.storage.port import ObjectStore
from seewhy_worker.explain.trust_scores import with_localization
from seewhy_worker.explain.types import Explainer, ImageExplanation
from seewhy_worker.pipeline.fetch import FetchedJob

FILES = {
    "map": ("map.npy", "application/octet-stream"),
    "overlay": ("overlay.jpg", "image/jpeg"),
    "result": (RESULT_DOCUMENT, "application/json"),
}


class ResultPublisher:
    """Writes results under `results/<job id>/<fence>/`; many threads at once.

    The fence is in the key, so a worker that lost its claim cannot touch the winner's objects.
    """

    def __init__(self, *, store: ObjectStore, versions: Mapping[str, str]) -> None:
        """Write into this store, and say which versions made it."""
        self._store = store
        self._versions = dict(versions)

    def publish(
        self,
        ready: FetchedJob,
        explained: ImageExplanation,
        explainer: Explainer,
        *,
        timings_ms: Mapping[str, float],
    ) -> Result:
        """Render and write everything. Raises `StoreUnavailable`."""
        started = time.perf_counter()
        if ready.job.box:
            explained = with_localization(explained, ready.job.box)
        bodies = {"map": maps.encode_npy(explained.maps)}
        if "overlay" in ready.job.outputs:
            bodies["overlay"] = _draw(ready, explained)
        render_ms = (time.perf_counter() - started) * 1000
        for name, body in bodies.items():
            self._put(ready, name, body)
        result = Result(
            model=ready.job.model,
            model_digest=explainer.digest,
            method=explained.method,
            tried=explained.tried,
            score=ready.job.score,
            layer=explained.layer,
            linear=explained.linear,
            targets=explained.targets,
            top=explained.top,
            map_height=explained.maps.shape[1],
            map_width=explained.maps.shape[2],
            covers=explained.covers,
            image_width_px=ready.photo.shape[1],
            image_height_px=ready.photo.shape[0],
            objects={name: self._key(ready, name) for name in (*bodies, "result")},
            digests={name: hashlib.sha256(body).hexdigest() for name, body in bodies.items()},
            timings_ms={**timings_ms, "prepare": ready.prepare_ms, "render": render_ms},
            versions=self._versions,
        )
        whole = {
            "job_id": ready.claim.job_id,
            "attempt": ready.claim.attempt,
            "metadata": ready.job.metadata,
            **result.model_dump(mode="json"),
        }
        self._put(ready, "result", json.dumps(whole).encode())
        return result

    def _key(self, ready: FetchedJob, name: str) -> str:
        return result_key(ready.claim.job_id, ready.claim.fence, FILES[name][0])

    def _put(self, ready: FetchedJob, name: str, body: bytes) -> None:
        self._store.put(self._key(ready, name), body, content_type=FILES[name][1])


def _draw(ready: FetchedJob, explained: ImageExplanation) -> bytes:
    job = ready.job
    if job.preset:
        drawn = classic_overlay(ready.photo, explained.maps[0], rectangle=explained.covers)
    else:
        scale = color_scale(
            explained.maps,
            0,
            targets=explained.targets,
            method=explained.method,
            polarity="positive",
            normalize=job.normalize,
        )
        drawn = overlay(ready.photo, explained.maps[0], rectangle=explained.covers, scale=scale)
    return codecs.encode_jpeg(drawn)
