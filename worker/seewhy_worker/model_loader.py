"""Model loading: models of the catalog become explainers that are warm."""

import logging

from seewhy.catalog.catalog import Catalog
from seewhy.catalog.weights import find_weights, obtain_weights
from seewhy.devices import parse_cores, use_system_allocator
from seewhy.settings import Settings
from seewhy_worker.explain.keras_explainer import KerasExplainer, load_explainer
from seewhy_worker.keras_backend.devices import (
    device_name,
    engine_name,
    limit_threads,
    require_gpu,
)
from seewhy_worker.keras_backend.memory import memory_in_use, release_memory
from seewhy_worker.model_check.catalog_file import check_catalog_file, needs_check

_log = logging.getLogger(__name__)

PROGRESS_STEP = 0.05
"""Progress between two log lines of a download, as a fraction."""
OPENVINO_COPIES = 3
"""How often OpenVINO has the weights in memory: TensorFlow's for gradients, those of the network
that was converted, and those that it has arranged for the processor."""
GRAPHS_BYTES = 150_000_000
"""What compiled graphs and buffers take beside the weights: 50 to 160 MB were measured."""


class KerasModels:
    """Implements `seewhy_worker.residency.model_source.ModelSource` for models of the catalog."""

    def __init__(self, settings: Settings) -> None:
        """Prepare the device. Raises `DeviceNotFound`: a worker never replaces its device."""
        if settings.worker_device.startswith("gpu:"):
            require_gpu(settings.worker_device)
        if settings.worker_cores is not None:
            limit_threads(len(parse_cores(settings.worker_cores)))
        if settings.demand_models:
            use_system_allocator()
        self.engine = engine_name()
        self._settings = settings
        self._catalog = Catalog.load(settings)

    @property
    def device(self) -> str:
        """The name of the GPU, or `cpu`."""
        return device_name()

    def expected_bytes(self, name: str) -> int:
        """Estimate the memory of a model from the size of its file. Raises `UnknownModel`."""
        spec = self._catalog.get(name)
        path = find_weights(spec, self._settings)
        weights = path.stat().st_size if path else 0
        if "tensorflow" not in {spec.engine, self._settings.worker_engine} and self.device == "cpu":
            weights *= OPENVINO_COPIES
        return weights + GRAPHS_BYTES + self._settings.activation_cache_bytes

    def load(self, name: str) -> KerasExplainer:
        """Load and warm up a model, and measure the memory that it takes.

        Raises `UnknownModel`, `WeightsNotFound`, `WeightsCorrupt`, `UnsupportedModel` or
        `OutOfMemory`: a worker never replaces a model that it cannot load.
        """
        settings, spec = self._settings, self._catalog.get(name)
        path = obtain_weights(spec, settings, progress=_DownloadLog(name))
        if path is not None and needs_check(spec, settings):
            _log.info("Checking %s in a process of its own", path)
            check_catalog_file(spec, path, settings)
        before = memory_in_use()
        explainer = load_explainer(
            spec,
            weights_path=path,
            max_batch=settings.max_batch,
            memory_bytes=settings.model_memory_bytes,
            activation_cache_bytes=settings.activation_cache_bytes,
            engine=settings.worker_engine,
        )
        explainer.warm_up()
        # Other jobs may have freed memory meanwhile, and the activations are still to come.
        explainer.memory_bytes = settings.activation_cache_bytes + max(
            explainer.memory_bytes, memory_in_use() - before
        )
        _log.info("%s is explained at %s", name, explainer.layer)
        return explainer

    def release_memory(self) -> None:
        """Give the memory of dropped models back to the system."""
        release_memory()


class _DownloadLog:
    """Logs the progress of a download; a worker has no terminal for a progress bar."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._next = 0.0

    def __call__(self, done: int, total: int | None) -> None:
        if total and done / total >= self._next:
            _log.info("Downloading the weights of %s: %d %%", self._name, 100 * done // total)
            self._next = done / total + PROGRESS_STEP
