"""The explainer of a Keras model, compiled for fixed batch sizes."""

import logging
from pathlib import Path

import numpy as np

from seewhy.catalog.model_spec import ModelSpec
from seewhy.errors import UnsupportedModel
from seewhy.schemas.channels import channel_count
from seewhy.schemas.engines import EngineChoice
from seewhy.settings.limits import MODEL_MEMORY_BYTES
from seewhy_worker.explain.batch_measurement import measure_batches, smallest_fast_batch
from seewhy_worker.explain.calibration_images import calibration_images
from seewhy_worker.explain.engine_choice import choose_engine
from seewhy_worker.explain.graph_cache import GraphCache
from seewhy_worker.explain.model_explainer import ModelExplainer
from seewhy_worker.explain.references import embed_references
from seewhy_worker.keras_backend.devices import device_name, enable_memory_growth
from seewhy_worker.models.loading import load_model
from seewhy_worker.models.preprocessing import prepare, to_network_input
from seewhy_worker.models.sizes import weight_bytes
from seewhy_worker.models.splitting.candidates import find_layer
from seewhy_worker.models.splitting.split_model import SplitModel, split

_log = logging.getLogger(__name__)

BATCH_TOLERANCE = 1e-4
"""How much a map may change with its batch, relative to the map's largest magnitude."""


def load_explainer(
    spec: ModelSpec,
    *,
    weights_path: Path | None,
    max_batch: int,
    memory_bytes: int = MODEL_MEMORY_BYTES,
    activation_cache_bytes: int = 0,
    engine: EngineChoice = "tensorflow",
) -> "KerasExplainer":
    """Load the model of `spec` from a file with a verified digest, which may take `memory_bytes`.

    `weights_path` is None for random weights. `engine` computes the activations, unless the catalog
    names another. Raises `UnsupportedModel`, also when the catalog's
    input size or labels do not match the network, and `OutOfMemory`.
    """
    enable_memory_growth()
    keras_model = load_model(spec, weights_path=weights_path, memory_bytes=memory_bytes)
    size = (spec.input.height_px, spec.input.width_px)
    model = split(
        keras_model,
        spec.layer,
        output=spec.output,
        outputs=spec.outputs,
        size=size,
        inputs=spec.inputs,
    )
    if spec.references:
        model = model.compared_with(embed_references(spec, model), spec.layer)
    for layer in spec.layers:
        find_layer(model.candidates, layer)
    explainer = KerasExplainer(
        spec=spec,
        model=model,
        max_batch=max_batch,
        activation_cache_bytes=activation_cache_bytes,
        memory_bytes=weight_bytes(keras_model),
    )
    explainer.choose_engine(engine)
    return explainer


class KerasExplainer(ModelExplainer):
    """Explains with the graphs that TensorFlow and the engines compile of a model."""

    graphs: GraphCache

    def __init__(
        self,
        *,
        spec: ModelSpec,
        model: SplitModel,
        max_batch: int,
        activation_cache_bytes: int = 0,
        memory_bytes: int = 0,
    ) -> None:
        """Explain at the layer of `model`, or at the layers that a task names."""
        _check_against_catalog(spec, model)
        black = np.zeros((spec.input.height_px, spec.input.width_px, 3), np.uint8)
        super().__init__(
            spec=spec,
            graphs=GraphCache(model=model, black=to_network_input(black, spec)),
            device=device_name(),
            max_batch=max_batch,
            activation_cache_bytes=activation_cache_bytes,
            memory_bytes=memory_bytes,
        )

    def choose_engine(self, default: EngineChoice) -> None:
        """Let the engine of the catalog entry compute the activations, or else `default`.

        Raises `UnsupportedModel` when it cannot compute the network here, and `OutOfMemory`.
        """
        choice = default if self.spec.engine == "auto" else self.spec.engine
        if choice == "auto" and self.spec.precision != "float32":
            choice = "tensorflow"
        images = (prepare(image, self.spec)[0] for image in calibration_images(self.spec))
        self.graphs.use(
            choose_engine(
                choice,
                self.graphs,
                name=self.spec.name,
                images=images,
                largest_batch=self._batch_sizes.largest,
            )
        )

    def warm_up(self) -> None:
        """Choose the batch on a GPU, then compile as `ModelExplainer.warm_up`.

        Raises `OutOfMemory` when one image does not fit.
        """
        if self.device != "cpu" and self._batch_sizes.largest > 1:
            self._choose_batch()
        super().warm_up()

    def _choose_batch(self) -> None:
        paces = measure_batches(self._runner.run_gradcam, self._batch_sizes.sizes)
        self.limit_batch(smallest_fast_batch(paces))
        _log.info(
            "%s is explained in batches of %d: %s",
            self.spec.name,
            self.max_batch,
            ", ".join(f"{size} gives {pace:.0f} images/s" for size, pace in paces.items()),
        )


def _check_against_catalog(spec: ModelSpec, model: SplitModel) -> None:
    channels = channel_count(spec.channels)
    if model.input_shape[2] != channels:
        raise UnsupportedModel(
            f"{spec.name} takes RGB images, but the catalog names one channel: remove `channels`."
            if channels == 1
            else f"{spec.name} takes images of one channel, but the catalog says RGB: add "
            '`channels = "luma"` to the catalog, or the weights of red, green and blue.'
        )
    expected = (spec.input.height_px, spec.input.width_px, channels)
    if model.input_shape != expected:
        raise UnsupportedModel(
            f"{spec.name} takes images of shape {model.input_shape}, but the catalog says "
            f"{expected}: correct `input` in the catalog."
        )
    if model.classes != len(spec.labels):
        noun = "outputs" if spec.scores == "values" else "classes"
        listed = f"{spec.labels_file} lists" if spec.labels_file else "the catalog names"
        raise UnsupportedModel(
            f"{spec.name} has {model.classes} {noun}, but {listed} {len(spec.labels)}: correct "
            "`labels_file` in the catalog."
        )
