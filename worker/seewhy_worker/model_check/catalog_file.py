"""Try the model file of a catalog entry in a child process before this process loads it."""

from pathlib import Path

from seewhy.catalog.catalog import Catalog
from seewhy.catalog.model_spec import ModelSpec
from seewhy.catalog.weights import verify_digest
from seewhy.settings import Settings
from seewhy_worker.model_check.confinement import check_in_child
from seewhy_worker.model_check.request import CheckRequest


def needs_check(spec: ModelSpec, settings: Settings) -> bool:
    """Return whether the model is a file of the operator's.

    Networks of `keras.applications` are built by code, and the shipped file is known.
    """
    shipped = Catalog.load(settings.model_copy(update={"models_file": None}))
    return not spec.is_application and not shipped.has(spec)


def check_catalog_file(spec: ModelSpec, path: Path, settings: Settings) -> None:
    """Load the file in a child process with limits, and explain noise once.

    Raises `UnsupportedModel` as the check does, and `WeightsCorrupt` when the file has changed.
    """
    check_in_child(
        CheckRequest(
            path=path,
            layer=spec.layer,
            output=spec.output,
            outputs=spec.outputs,
            modules=spec.modules,
            size=(spec.input.height_px, spec.input.width_px),
            shuffle=False,
            memory_bytes=settings.model_memory_bytes,
            timeout_s=settings.model_check_timeout_s,
        )
    )
    verify_digest(path, spec.digest)
