"""Keras models built from the catalogue."""

from pathlib import Path
from typing import Any

import keras

from seewhy.catalog.catalog import APPLICATIONS, ModelSpec, RandomWeights
from seewhy.errors import UnsupportedModel, WeightsNotFound
from seewhy_worker.models.inspection import inspect
from seewhy_worker.models.randomness import draw


def load_model(spec: ModelSpec, *, weights_path: Path | None) -> keras.Model:
    """Build the network with its weights, from a file whose digest has been checked.

    `weights_path` is None for random weights alone. Raises `UnsupportedModel` for a definition
    that Keras does not have or refuses as unsafe, and `WeightsNotFound` without a file.
    """
    model = _load(spec, weights_path)
    if spec.precision != "float32":
        # Private, but the public `layers` leaves out what is inside of layers and nested models.
        for layer in model._flatten_layers():  # noqa: SLF001
            layer.dtype_policy = spec.precision
    return model


def _load(spec: ModelSpec, weights_path: Path | None) -> keras.Model:
    if isinstance(spec.weights, RandomWeights):
        model = _application(spec, weights=None)
        draw(model, seed=spec.weights.random_seed)
        return model
    if weights_path is None:
        raise WeightsNotFound(f"the model {spec.name} was given no file to read its weights from")
    if spec.is_application:
        return _application(spec, weights=str(weights_path))
    return load_file(weights_path)


def load_file(path: Path) -> keras.Model:
    """Load a `.keras` or `.h5` file for inference; raise `UnsupportedModel`, which says why.

    No code of the file's is run: what it holds is inspected before Keras builds anything.
    """
    modern = inspect(path)
    try:
        if modern is not None:
            return _rebuilt(modern, path)
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        raise UnsupportedModel(f"Keras cannot read {path.name}: {error}") from error


def _rebuilt(definition: dict[str, Any], weights_path: Path) -> keras.Model:
    kind = keras.Sequential if definition["class_name"] == "Sequential" else keras.Model
    model = kind.from_config(definition["config"])
    model.load_weights(weights_path)
    _settle(model)
    return model


def _settle(model: keras.Model) -> None:
    # Keras does this for the layers of the outermost model alone.
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _settle(layer)
        elif isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def _application(spec: ModelSpec, *, weights: str | None) -> keras.Model:
    name = spec.source.removeprefix(APPLICATIONS)
    build = getattr(keras.applications, name, None)
    if build is None:
        raise UnsupportedModel(f"keras.applications has no {name}; correct the catalogue's source")
    shape = (spec.input.height_px, spec.input.width_px, 3)
    try:
        return build(
            weights=weights,
            input_shape=shape,
            classes=len(spec.labels),
            classifier_activation=None,
        )
    except ValueError as error:
        raise UnsupportedModel(f"keras.applications refuses {spec.name}: {error}") from error
