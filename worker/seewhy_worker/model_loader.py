"""Residence: the models of a worker are loaded and warm before its first hint."""

import logging
import time

from seewhy.catalog.catalog import Catalog
from seewhy.catalog.weights import obtain_weights
from seewhy.settings import Settings
from seewhy_worker.explain.keras_explainer import KerasExplainer, load_explainer

_log = logging.getLogger(__name__)

PROGRESS_STEP = 0.05


def load_models(settings: Settings) -> dict[str, KerasExplainer]:
    """Load and warm every model that the settings name.

    Raises `UnknownModel`, `WeightsNotFound`, `WeightsCorrupt` or `UnsupportedModel`: a worker
    never serves another model than the one it was asked for.
    """
    catalog = Catalog.load(settings)
    explainers = {}
    for name in settings.resident_models:
        started = time.perf_counter()
        spec = catalog.get(name)
        path = obtain_weights(spec, settings, progress=_Progress(name))
        explainer = load_explainer(spec, weights_path=path, max_batch=settings.max_batch)
        explainer.warm_up()
        explainers[name] = explainer
        elapsed_s = time.perf_counter() - started
        _log.info("%s is resident, target layer %s (%.1f s)", name, explainer.layer, elapsed_s)
    return explainers


class _Progress:
    """Logs a download every few percent: a worker has no terminal."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._next = 0.0

    def __call__(self, done: int, total: int | None) -> None:
        if total and done / total >= self._next:
            _log.info("fetching the weights of %s: %d %%", self._name, 100 * done // total)
            self._next = done / total + PROGRESS_STEP
