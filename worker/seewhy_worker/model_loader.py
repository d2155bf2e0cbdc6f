"""Model loading: from a bundle where there is one, or else with TensorFlow. Imports neither."""

import logging
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from seewhy.catalog.catalog import Catalog
from seewhy.catalog.model_files import RandomWeights
from seewhy.catalog.model_spec import ModelSpec
from seewhy.catalog.weights import find_weights
from seewhy.devices import parse_cores, visible_gpus
from seewhy.settings import Settings
from seewhy_worker.bundles.store import BundleStore, BundleUnusable
from seewhy_worker.explain.model_explainer import ModelExplainer
from seewhy_worker.memory.process_memory import release_memory, resident_bytes
from seewhy_worker.openvino_backend.failures import ConversionFailed
from seewhy_worker.ports.graphs import Graphs

if TYPE_CHECKING:
    from seewhy_worker.keras_models import KerasModels

_log = logging.getLogger(__name__)

OPENVINO_COPIES = 3
"""How often OpenVINO has the weights in memory: TensorFlow's for gradients, those of the network
that was converted, and those that it has arranged for the processor."""
GRAPHS_BYTES = 150_000_000
"""What compiled graphs and buffers take beside the weights: 50 to 160 MB were measured."""


class CatalogModels:
    """Implements `seewhy_worker.residency.model_source.ModelSource` for models of the catalog.

    TensorFlow, whose import takes seconds, is imported when a model has no bundle, or when a
    request needs more than the bundle holds.
    """

    def __init__(self, settings: Settings) -> None:
        """Prepare the device. Raises `DeviceNotFound`: a worker never replaces its device."""
        self._settings = settings
        self._catalog = Catalog.load(settings)
        self._bundles = _open_bundles(settings)
        self._keras: KerasModels | None = None
        if self._bundles is None:
            self._load_keras()

    @property
    def device(self) -> str:
        """The name of the GPU, or `cpu`."""
        return self._keras.device if self._keras else "cpu"

    @property
    def engine(self) -> str:
        """What computes the maps, with its version."""
        if self._keras:
            return self._keras.engine
        # OpenVINO is optional.
        from seewhy_worker.openvino_backend.compiled_model import engine_name  # noqa: PLC0415

        return engine_name()

    def expected_bytes(self, name: str) -> int:
        """Estimate the memory of a model from the size of its file. Raises `UnknownModel`."""
        spec = self._catalog.get(name)
        path = find_weights(spec, self._settings)
        weights = path.stat().st_size if path else 0
        choice = self._settings.worker_engine if spec.engine == "auto" else spec.engine
        if self.device == "cpu" and not choice.startswith("tensorflow"):
            weights *= OPENVINO_COPIES
        return weights + GRAPHS_BYTES + self._settings.activation_cache_bytes

    def load(self, name: str) -> ModelExplainer:
        """Load and warm up a model, and measure the memory that it takes.

        Raises `UnknownModel`, `WeightsNotFound`, `WeightsCorrupt`, `UnsupportedModel` or
        `OutOfMemory`: a worker never replaces a model that it cannot load.
        """
        spec = self._catalog.get(name)
        if self._bundles is None:
            return self._load_keras().load(name)
        try:
            explainer = self._load_bundle(self._bundles, spec)
        except (BundleUnusable, ConversionFailed) as reason:
            _log.info("%s is loaded with TensorFlow: it has no bundle, because %s", name, reason)
            return self._load_keras().load(name, bundles=self._bundles)
        _log.info("%s is explained at %s, by a bundle", name, explainer.layer)
        return explainer

    def release_memory(self) -> None:
        """Give the memory of dropped models back to the system."""
        release_memory()

    def _load_bundle(self, store: BundleStore, spec: ModelSpec) -> ModelExplainer:
        from seewhy_worker.bundles.reading import read_bundle  # noqa: PLC0415 - as above

        settings = self._settings
        if not isinstance(spec.weights, RandomWeights) and find_weights(spec, settings) is None:
            raise BundleUnusable("the weights are not on this machine")
        before = resident_bytes()
        graphs = read_bundle(
            store,
            spec,
            engine=settings.worker_engine,
            threads=len(parse_cores(settings.worker_cores)) if settings.worker_cores else 0,
            load_others=partial(self._load_others, spec),
        )
        explainer = ModelExplainer(
            spec=spec,
            graphs=graphs,
            device="cpu",
            max_batch=settings.max_batch,
            activation_cache_bytes=settings.activation_cache_bytes,
        )
        explainer.warm_up()
        explainer.memory_bytes = settings.activation_cache_bytes + resident_bytes() - before
        return explainer

    def _load_others(self, spec: ModelSpec, reason: str) -> Graphs:
        _log.info("Loading %s with TensorFlow, too, for %s", spec.name, reason)
        return self._load_keras().load_cold(spec.name).graphs

    def _load_keras(self) -> "KerasModels":
        if self._keras is None:
            # TensorFlow takes seconds, and looks for devices when it is imported.
            from seewhy_worker.keras_models import KerasModels  # noqa: PLC0415

            self._keras = KerasModels(self._settings, self._catalog)
        return self._keras


def _open_bundles(settings: Settings) -> BundleStore | None:
    """Return the store of bundles; None where they are of no use."""
    uses_gpu = settings.worker_device.startswith("gpu:") or (
        settings.worker_device == "auto" and visible_gpus()
    )
    if uses_gpu or not settings.bundles or find_spec("openvino") is None:
        return None
    return BundleStore(settings.bundle_dir.expanduser())
