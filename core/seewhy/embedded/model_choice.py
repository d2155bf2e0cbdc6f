"""Have the weights at hand before a worker starts, or fall back to the shipped model."""

from collections.abc import Callable

from seewhy.catalog.catalog import Catalog
from seewhy.catalog.weights import ProgressCallback, obtain_weights
from seewhy.errors import WeightsNotFound
from seewhy.settings import Settings

STAND_IN = "efficientnet-lite0"


def with_weights(
    settings: Settings,
    *,
    progress: Callable[[str], ProgressCallback],
    say: Callable[[str], None],
) -> Settings:
    """Return settings whose resident models have their weights on this machine.

    Missing weights are fetched; `progress` makes the callback for one model's download. A
    default model that nobody named and that cannot be had is replaced by the stand-in, which
    `say` announces; for one that was named, `WeightsNotFound` is raised.
    """
    try:
        _gather(settings, progress=progress)
    except WeightsNotFound as error:
        if settings.model_fields_set & {"default_model", "worker_models"}:
            raise
        say(f"{error}\nUsing the model that ships with seewhy instead: {STAND_IN}.")
        settings = settings.model_copy(update={"default_model": STAND_IN})
        _gather(settings, progress=progress)
    return settings


def _gather(settings: Settings, *, progress: Callable[[str], ProgressCallback]) -> None:
    catalog = Catalog.load(settings)
    for name in settings.resident_models:
        obtain_weights(catalog.get(name), settings, progress=progress(name))
