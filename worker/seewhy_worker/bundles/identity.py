"""When a bundle may stand for a model."""

import hashlib
import json
from importlib import metadata

from seewhy.catalog.model_spec import ModelSpec
from seewhy.schemas.engines import EngineChoice
from seewhy_worker.openvino_backend.compiled_model import processor

FORMAT = 1
"""Counts changes of what bundles hold or mean."""
_DISTRIBUTIONS = ("seewhy", "openvino", "keras", "numpy")


def bundle_identity(spec: ModelSpec, engine: EngineChoice) -> str:
    """Return the digest of everything that decides what a bundle holds.

    These are the model's weights and catalog entry, the setting of the engine, the processor, on
    which the choice of the engine depends, and the versions of what computes.
    """
    parts = {
        "format": FORMAT,
        "weights": spec.digest,
        "entry": spec.fingerprint,
        "engine": engine,
        "processor": processor(),
        "versions": {name: metadata.version(name) for name in _DISTRIBUTIONS},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def why_no_bundle(spec: ModelSpec) -> str | None:
    """Return why no bundle can stand for models of this entry; None if one can."""
    if spec.modules:
        return "its layers are modules of this installation, which may change"
    if spec.references:
        return "it compares with reference images, which may change"
    if spec.precision != "float32":
        return f"its numbers are {spec.precision}"
    return None
