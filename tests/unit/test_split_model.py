"""Where a network is split, and which networks are refused."""

import keras
import numpy as np
import pytest

import networks
from seewhy.errors import UnsupportedModel
from seewhy_worker.models.splitting.split_model import split

PIXELS = np.random.default_rng(5).normal(size=(3, 12, 12, 3)).astype(np.float32)


@pytest.mark.parametrize(
    "ending",
    ["none", "fused softmax", "softmax layer", "activation layer", "softmax operation"],
)
def test_the_head_outputs_logits_for_every_way_to_write_a_softmax(ending: str) -> None:
    expected = networks.two_layer_cnn().predict(PIXELS, verbose=0)
    split_model = split(networks.two_layer_cnn(ending))
    np.testing.assert_allclose(
        split_model.head(split_model.body(PIXELS)), expected, rtol=1e-5, atol=1e-6
    )
    assert (split_model.layer, split_model.map_shape, split_model.classes) == ("conv2", (8, 8), 5)
    assert (split_model.input_shape, split_model.probability_function) == ((12, 12, 3), "softmax")


def test_a_sigmoid_is_removed_and_becomes_the_probability_function() -> None:
    split_model = split(networks.two_layer_cnn("fused sigmoid"))
    expected = networks.two_layer_cnn().predict(PIXELS, verbose=0)
    np.testing.assert_allclose(
        split_model.head(split_model.body(PIXELS)), expected, rtol=1e-5, atol=1e-6
    )
    assert split_model.probability_function == "sigmoid"


def test_splitting_does_not_change_the_model() -> None:
    model = networks.two_layer_cnn("fused softmax")
    before = model.predict(PIXELS, verbose=0)
    config = model.get_config()
    split(model)
    assert model.get_config() == config
    np.testing.assert_array_equal(model.predict(PIXELS, verbose=0), before)
    assert split(model).layer == "conv2"


def test_body_and_head_share_the_weights_of_the_model() -> None:
    model = networks.two_layer_cnn("softmax layer")
    split_model = split(model)
    model.get_layer("scores").bias.assign(np.full(5, 100.0, np.float32))
    assert np.min(split_model.head(split_model.body(PIXELS))) > 50


def test_a_named_layer_is_used() -> None:
    split_model = split(networks.two_layer_cnn(), "conv1")
    expected = networks.two_layer_cnn().predict(PIXELS, verbose=0)
    assert split_model.map_shape == (10, 10)
    np.testing.assert_allclose(
        split_model.head(split_model.body(PIXELS)), expected, rtol=1e-5, atol=1e-6
    )


def test_a_sequential_model_is_split_like_any_other() -> None:
    model = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            networks.conv(4, "only", 1),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2),
        ]
    )
    split_model = split(model)
    np.testing.assert_allclose(
        split_model.head(split_model.body(PIXELS)),
        model.predict(PIXELS, verbose=0),
        rtol=1e-5,
        atol=1e-6,
    )


def test_a_skip_connection_inside_the_body_is_allowed() -> None:
    image = networks.image_input()
    hidden = keras.layers.Conv2D(4, 3, padding="same")(image)
    hidden = keras.layers.Add(name="sum")([hidden, keras.layers.Conv2D(4, 1)(hidden)])
    scores = keras.layers.Dense(2)(keras.layers.GlobalMaxPooling2D()(hidden))
    assert split(keras.Model(image, scores)).layer == "sum"


def test_a_model_without_a_spatial_layer_is_refused() -> None:
    image = networks.image_input()
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(image)))
    with pytest.raises(UnsupportedModel, match="no layer with a spatial output"):
        split(model)


def test_an_unknown_layer_is_refused_with_a_list_of_candidates() -> None:
    with pytest.raises(UnsupportedModel, match=r"'conv3'.*conv1, conv2"):
        split(networks.two_layer_cnn(), "conv3")


def test_a_layer_with_a_single_cell_is_not_a_candidate() -> None:
    image = networks.image_input()
    hidden = keras.layers.GlobalAveragePooling2D(keepdims=True)(networks.conv(4, "c", 1)(image))
    scores = keras.layers.Dense(2)(keras.layers.Flatten()(hidden))
    assert split(keras.Model(image, scores)).layer == "c"


def test_an_output_activation_that_is_not_a_classifier_s_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="ends in tanh"):
        split(networks.two_layer_cnn("fused tanh"))


def test_a_model_with_two_outputs_is_refused() -> None:
    model = networks.two_layer_cnn()
    double = keras.Model(model.input, [model.output, model.get_layer("fc").output])
    with pytest.raises(UnsupportedModel, match="2 outputs"):
        split(double)


def test_a_model_with_an_open_input_size_is_refused() -> None:
    image = keras.Input((None, None, 3))
    scores = keras.layers.Dense(2)(keras.layers.GlobalMaxPooling2D()(image))
    with pytest.raises(UnsupportedModel, match="build it for images of a fixed size"):
        split(keras.Model(image, scores))


def test_a_model_that_outputs_no_row_of_scores_is_refused() -> None:
    image = networks.image_input()
    with pytest.raises(UnsupportedModel, match="only classifiers"):
        split(keras.Model(image, keras.layers.Conv2D(2, 1)(image)))
