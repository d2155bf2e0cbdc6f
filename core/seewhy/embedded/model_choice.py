"""Download missing weights before a worker starts, or fall back to the shipped model."""

from collections.abc import Callable

from seewhy.catalog.catalog import Catalog
from seewhy.catalog.weights import ProgressCallback, obtain_weights
from seewhy.errors import WeightsNotFound
from seewhy.settings import Settings

FALLBACK_MODEL = "efficientnet-lite0"


def ensure_weights(
    settings: Settings,
    *,
    progress: Callable[[str], ProgressCallback],
    warn: Callable[[str], None],
) -> Settings:
    """Return settings whose resident models have their weights on this machine.

    Missing weights are downloaded; `progress(name)` returns the callback of one download. If the
    user named no model and the default's weights cannot be had, the fallback model replaces it
    and `warn` is called. Raises `WeightsNotFound` for a model that the user named.
    """
    try:
        _obtain_all(settings, progress=progress)
    except WeightsNotFound as error:
        if settings.model_fields_set & {"default_model", "worker_models"}:
            raise
        warn(f"{error}\nUsing the model that ships with seewhy instead: {FALLBACK_MODEL}.")
        settings = settings.model_copy(update={"default_model": FALLBACK_MODEL})
        _obtain_all(settings, progress=progress)
    return settings


def _obtain_all(settings: Settings, *, progress: Callable[[str], ProgressCallback]) -> None:
    catalog = Catalog.load(settings)
    for name in settings.resident_models:
        obtain_weights(catalog.get(name), settings, progress=progress(name))
