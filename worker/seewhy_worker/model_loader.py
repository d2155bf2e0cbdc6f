"""Model loading: a worker's models are loaded and warmed up before it receives a wakeup."""

import logging
import time

from seewhy.catalog.catalog import Catalog
from seewhy.catalog.weights import obtain_weights
from seewhy.devices import parse_cores
from seewhy.settings import Settings
from seewhy_worker.explain.keras_explainer import KerasExplainer, load_explainer
from seewhy_worker.keras_backend.devices import limit_threads, require_gpu
from seewhy_worker.model_check.catalog_file import check_catalog_file, needs_check

_log = logging.getLogger(__name__)

PROGRESS_STEP = 0.05
"""Progress between two log lines of a download, as a fraction."""


def load_models(settings: Settings) -> dict[str, KerasExplainer]:
    """Load and warm up every model named in the settings.

    Raises `UnknownModel`, `WeightsNotFound`, `WeightsCorrupt`, `UnsupportedModel` or
    `DeviceNotFound`: a worker never replaces a model that it cannot load, nor its device.
    """
    _prepare_device(settings)
    catalog = Catalog.load(settings)
    explainers = {}
    for name in settings.resident_models:
        started = time.perf_counter()
        spec = catalog.get(name)
        path = obtain_weights(spec, settings, progress=_DownloadLog(name))
        if path is not None and needs_check(spec, settings):
            _log.info("Checking %s in a process of its own", path)
            check_catalog_file(spec, path, settings)
        explainer = load_explainer(
            spec,
            weights_path=path,
            max_batch=settings.max_batch,
            memory_bytes=settings.model_memory_bytes,
            activation_cache_bytes=settings.activation_cache_bytes,
        )
        explainer.warm_up()
        explainers[name] = explainer
        elapsed_s = time.perf_counter() - started
        _log.info("Loaded %s in %.1f s; target layer %s", name, elapsed_s, explainer.layer)
    return explainers


def _prepare_device(settings: Settings) -> None:
    if settings.worker_device.startswith("gpu:"):
        require_gpu(settings.worker_device)
    if settings.worker_cores is not None:
        limit_threads(len(parse_cores(settings.worker_cores)))


class _DownloadLog:
    """Logs the progress of a download; a worker has no terminal for a progress bar."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._next = 0.0

    def __call__(self, done: int, total: int | None) -> None:
        if total and done / total >= self._next:
            _log.info("Downloading the weights of %s: %d %%", self._name, 100 * done // total)
            self._next = done / total + PROGRESS_STEP
