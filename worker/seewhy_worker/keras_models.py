"""Load models of the catalog with TensorFlow."""

import logging

from seewhy.catalog.catalog import Catalog
from seewhy.catalog.weights import obtain_weights
from seewhy.devices import parse_cores, use_system_allocator
from seewhy.errors import OutOfMemory
from seewhy.settings import Settings
from seewhy_worker.bundles.store import BundleStore, BundleUnusable
from seewhy_worker.bundles.writing import write_bundle
from seewhy_worker.explain.keras_explainer import KerasExplainer, load_explainer
from seewhy_worker.keras_backend.devices import (
    device_name,
    engine_name,
    limit_threads,
    require_gpu,
)
from seewhy_worker.keras_backend.memory import memory_in_use
from seewhy_worker.model_check.catalog_file import check_catalog_file, needs_check

_log = logging.getLogger(__name__)

PROGRESS_STEP = 0.05
"""Progress between two log lines of a download, as a fraction."""


class KerasModels:
    """Loads models of the catalog with TensorFlow."""

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        """Prepare the device. Raises `DeviceNotFound`: a worker never replaces its device."""
        if settings.worker_device.startswith("gpu:"):
            require_gpu(settings.worker_device)
        if settings.worker_cores is not None:
            limit_threads(len(parse_cores(settings.worker_cores)))
        if settings.demand_models:
            use_system_allocator()
        self.engine = engine_name()
        self.device = device_name()
        self._settings = settings
        self._catalog = catalog

    def load(self, name: str, *, bundles: BundleStore | None = None) -> KerasExplainer:
        """Load and warm up a model, and measure the memory that it takes.

        Write its bundle to `bundles` if it can be bundled. Raises as `CatalogModels.load`.
        """
        before = memory_in_use()
        explainer = self.load_cold(name)
        explainer.warm_up()
        # Other jobs may have freed memory meanwhile, and the activations are still to come.
        explainer.memory_bytes = self._settings.activation_cache_bytes + max(
            explainer.memory_bytes, memory_in_use() - before
        )
        _log.info("%s is explained at %s", name, explainer.layer)
        if bundles is not None:
            self._write_bundle(bundles, explainer)
        return explainer

    def load_cold(self, name: str) -> KerasExplainer:
        """Load a model whose graphs are compiled on first use. Raises as `CatalogModels.load`."""
        settings, spec = self._settings, self._catalog.get(name)
        path = obtain_weights(spec, settings, progress=_DownloadLog(name))
        if path is not None and needs_check(spec, settings):
            _log.info("Checking %s in a process of its own", path)
            check_catalog_file(spec, path, settings)
        return load_explainer(
            spec,
            weights_path=path,
            max_batch=settings.max_batch,
            memory_bytes=settings.model_memory_bytes,
            activation_cache_bytes=settings.activation_cache_bytes,
            engine=settings.worker_engine,
        )

    def _write_bundle(self, store: BundleStore, explainer: KerasExplainer) -> None:
        spec = explainer.spec
        try:
            write_bundle(store, spec, engine=self._settings.worker_engine, graphs=explainer.graphs)
        except (BundleUnusable, OutOfMemory, OSError) as error:
            _log.info("%s has no bundle for the next start, because %s", spec.name, error)


class _DownloadLog:
    """Logs the progress of a download; a worker has no terminal for a progress bar."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._next = 0.0

    def __call__(self, done: int, total: int | None) -> None:
        if total and done / total >= self._next:
            _log.info("Downloading the weights of %s: %d %%", self._name, 100 * done // total)
            self._next = done / total + PROGRESS_STEP
