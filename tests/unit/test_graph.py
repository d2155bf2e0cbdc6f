"""Flattening keeps layouts, precision and sizes, and does not open custom models."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import networks
from seewhy.errors import UnsupportedModel
from seewhy_worker.models.splitting.split_model import split

SIDE = networks.SIDE_PX


def with_data_format(data_format: str, *, transposed: bool = False) -> keras.Model:
    first = data_format == "channels_first"
    image = keras.Input((3, SIDE, SIDE) if first and not transposed else (SIDE, SIDE, 3))
    hidden = layers.Permute((3, 1, 2))(image) if first and transposed else image
    layout = {"data_format": data_format}
    for name, seed, groups in (("conv1", 1, 1), ("conv2", 2, 2)):
        hidden = layers.Conv2D(
            6,
            3,
            name=name,
            groups=groups,
            kernel_initializer=networks.seeded_initializer(seed),
            **layout,
        )(hidden)
        hidden = layers.BatchNormalization(axis=1 if first else -1)(hidden)
        hidden = layers.ReLU()(hidden)
    hidden = layers.MaxPooling2D(2, **layout)(hidden)
    hidden = layers.Conv2DTranspose(
        4, 2, kernel_initializer=networks.seeded_initializer(8), **layout
    )(hidden)
    hidden = layers.DepthwiseConv2D(
        2, depthwise_initializer=networks.seeded_initializer(9), **layout
    )(hidden)
    hidden = layers.ReLU(name="final")(hidden)
    hidden = layers.GlobalAveragePooling2D(**layout)(hidden)
    return keras.Model(image, networks.dense(networks.CLASSES, "scores", 4)(hidden))


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("layer", [None, "conv1"])
def test_channels_first_networks_have_the_maps_of_channels_last_ones_without_a_gpu(
    layer: str | None, transposed: bool, tmp_path: Path
) -> None:
    model = with_data_format("channels_first", transposed=transposed)
    expected = networks.explain_images(with_data_format("channels_last"), tmp_path, layer=layer)
    networks.assert_same_maps(networks.explain_images(model, tmp_path, layer=layer), expected)
    split_model = split(model, layer)
    assert (split_model.input_shape, split_model.map_shape) == (
        (SIDE, SIDE, 3),
        (10, 10) if layer else (4, 4),
    )


@pytest.mark.parametrize(("policy", "rtol"), [("mixed_float16", 0.01), ("mixed_bfloat16", 0.08)])
def test_mixed_precision_changes_a_map_by_rounding_only(
    policy: str, rtol: float, tmp_path: Path
) -> None:
    expected = networks.explain_images(networks.two_layer_cnn(), tmp_path, targets=(0, 1))
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = networks.two_layer_cnn("fused softmax")
    finally:
        keras.config.set_dtype_policy(before)
    assert model.get_layer("conv2").compute_dtype == policy.removeprefix("mixed_")
    found = networks.explain_images(model, tmp_path, targets=(0, 1))
    for one, other in zip(found, expected, strict=True):
        peak = np.abs(other.maps).max()
        np.testing.assert_allclose(one.maps, other.maps, rtol=0, atol=rtol * peak)
        assert one.maps.dtype == np.float32


def test_a_network_of_open_size_is_split_at_the_given_size() -> None:
    image = keras.Input((None, None, 3))
    hidden = networks.conv(4, "conv", 1)(image)
    model = keras.Model(image, networks.dense(2, "scores", 2)(layers.GlobalMaxPooling2D()(hidden)))
    split_model = split(model, size=(20, 30))
    assert (split_model.input_shape, split_model.map_shape) == ((20, 30, 3), (18, 28))


def test_a_size_that_the_network_does_not_accept_is_refused() -> None:
    image = keras.Input((None, None, 3))
    hidden = layers.Conv2D(4, 9)(image)
    model = keras.Model(image, networks.dense(2, "scores", 2)(layers.GlobalMaxPooling2D()(hidden)))
    with pytest.raises(UnsupportedModel, match=r"does not accept images of shape \(8, 8, 3\)"):
        split(model, size=(8, 8))


def test_a_model_without_a_static_graph_is_refused() -> None:
    class Dynamic(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.inner = networks.two_layer_cnn()

        def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
            return self.inner(inputs)

    model = Dynamic()
    model(np.zeros((1, SIDE, SIDE, 3), np.float32))
    with pytest.raises(
        UnsupportedModel, match="no static graph to split: build it as a functional"
    ):
        split(model)


def test_a_functional_model_with_a_custom_call_is_not_flattened() -> None:
    class Doubling(keras.Model):
        def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
            return 2 * super().call(inputs)

    plain = networks.backbone()
    own = Doubling(plain.input, plain.output, name="own")
    image = networks.image_input()
    model = keras.Model(image, networks.add_classifier(layers.ReLU(name="after")(own(image))))
    split_model = split(model)
    assert [candidate.path for candidate in split_model.candidates] == ["own", "after"]
    with pytest.raises(UnsupportedModel, match="no static graph"):
        split(own)


def test_the_private_keras_api_still_runs_a_graph_call_by_call() -> None:
    """`graph.py` relies on this private method; the test fails when Keras changes it."""
    image = networks.image_input()
    model = keras.Model(image, keras.ops.relu(layers.Conv2D(2, 3, name="c")(image)))
    seen = []

    def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append((type(operation).__name__, [value.shape for value in args]))
        return operation.compute_output_spec(*args, **kwargs)

    function = keras.Function(model.inputs, model.outputs)
    (result,) = function._run_through_graph([keras.KerasTensor((None, 9, 9, 3))], call_fn=call)
    assert seen == [("Conv2D", [(None, 9, 9, 3)]), ("Relu", [(None, 7, 7, 2)])]
    assert result.shape == (None, 7, 7, 2)
