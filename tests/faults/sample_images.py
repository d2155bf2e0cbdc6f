"""The images that submitters send, and the maps that the stub explainer makes of them."""

import hashlib

from images import encoded, gradient
from seewhy.imaging import codecs, maps
from seewhy_worker.explain.types import ExplanationTask
from seewhy_worker.stub import StubExplainer

IMAGES = tuple(encoded(gradient(40 + n, 24 + 2 * n), "PNG") for n in range(16))


def expected_maps() -> dict[str, str]:
    """Return SHA-256 of an image → SHA-256 of the stub's map of it."""
    stub = StubExplainer()
    digests = {}
    for body in IMAGES:
        prepared = stub.prepare(codecs.decode(body, max_pixels=1_000_000))
        (explained,) = stub.explain([ExplanationTask.create(prepared, [-1])])
        digest = hashlib.sha256(maps.encode_npy(explained.maps)).hexdigest()
        digests[hashlib.sha256(body).hexdigest()] = digest
    return digests
