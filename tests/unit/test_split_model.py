"""Where a network is cut, and which networks are refused."""

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
def test_however_the_softmax_is_written_the_head_gives_logits(ending: str) -> None:
    expected = networks.two_layer_cnn().predict(PIXELS, verbose=0)
    parts = split(networks.two_layer_cnn(ending))
    np.testing.assert_allclose(parts.head(parts.body(PIXELS)), expected, rtol=1e-5, atol=1e-6)
    assert (parts.layer, parts.map_shape, parts.classes) == ("conv2", (8, 8), 5)
    assert (parts.input_shape, parts.probability_function) == ((12, 12, 3), "softmax")


def test_a_sigmoid_is_cut_off_and_remembered() -> None:
    parts = split(networks.two_layer_cnn("fused sigmoid"))
    expected = networks.two_layer_cnn().predict(PIXELS, verbose=0)
    np.testing.assert_allclose(parts.head(parts.body(PIXELS)), expected, rtol=1e-5, atol=1e-6)
    assert parts.probability_function == "sigmoid"


def test_the_model_is_left_as_it_was() -> None:
    model = networks.two_layer_cnn("fused softmax")
    before = model.predict(PIXELS, verbose=0)
    config = model.get_config()
    split(model)
    assert model.get_config() == config
    np.testing.assert_array_equal(model.predict(PIXELS, verbose=0), before)
    assert split(model).layer == "conv2"


def test_the_parts_share_the_model_s_weights() -> None:
    model = networks.two_layer_cnn("softmax layer")
    parts = split(model)
    model.get_layer("scores").bias.assign(np.full(5, 100.0, np.float32))
    assert np.min(parts.head(parts.body(PIXELS))) > 50


def test_a_layer_may_be_named() -> None:
    parts = split(networks.two_layer_cnn(), "conv1")
    expected = networks.two_layer_cnn().predict(PIXELS, verbose=0)
    assert parts.map_shape == (10, 10)
    np.testing.assert_allclose(parts.head(parts.body(PIXELS)), expected, rtol=1e-5, atol=1e-6)


def test_a_sequential_model_is_split_like_any_other() -> None:
    model = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            networks.conv(4, "only", 1),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2),
        ]
    )
    parts = split(model)
    np.testing.assert_allclose(
        parts.head(parts.body(PIXELS)), model.predict(PIXELS, verbose=0), rtol=1e-5, atol=1e-6
    )


def test_a_skip_connection_within_the_body_does_no_harm() -> None:
    picture = networks.picture_input()
    hidden = keras.layers.Conv2D(4, 3, padding="same")(picture)
    hidden = keras.layers.Add(name="sum")([hidden, keras.layers.Conv2D(4, 1)(hidden)])
    scores = keras.layers.Dense(2)(keras.layers.GlobalMaxPooling2D()(hidden))
    assert split(keras.Model(picture, scores)).layer == "sum"


def test_a_layer_that_a_skip_connection_goes_around_is_refused() -> None:
    picture = networks.picture_input()
    entry = keras.layers.Conv2D(4, 3, padding="same", name="entry")(picture)
    inside = keras.layers.Conv2D(4, 3, padding="same", name="inside")(entry)
    joined = keras.layers.Add()([entry, inside])
    scores = keras.layers.Dense(2)(keras.layers.GlobalMaxPooling2D()(joined))
    with pytest.raises(UnsupportedModel, match=r"'inside'.*bypasses it.*Choose a layer"):
        split(keras.Model(picture, scores), "inside")


def test_a_model_without_a_spatial_layer_is_refused() -> None:
    picture = networks.picture_input()
    model = keras.Model(picture, keras.layers.Dense(2)(keras.layers.Flatten()(picture)))
    with pytest.raises(UnsupportedModel, match="no layer with a spatial output"):
        split(model)


def test_an_unknown_layer_is_refused_with_a_list_of_those_that_would_do() -> None:
    with pytest.raises(UnsupportedModel, match=r"'conv3'.*conv1, conv2"):
        split(networks.two_layer_cnn(), "conv3")


def test_a_layer_of_one_cell_has_no_map_and_is_passed_over() -> None:
    picture = networks.picture_input()
    hidden = keras.layers.GlobalAveragePooling2D(keepdims=True)(networks.conv(4, "c", 1)(picture))
    scores = keras.layers.Dense(2)(keras.layers.Flatten()(hidden))
    assert split(keras.Model(picture, scores)).layer == "c"


def test_an_ending_that_is_no_classifier_s_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="ends in tanh"):
        split(networks.two_layer_cnn("fused tanh"))


def test_a_model_with_two_outputs_is_refused() -> None:
    model = networks.two_layer_cnn()
    double = keras.Model(model.input, [model.output, model.get_layer("fc").output])
    with pytest.raises(UnsupportedModel, match="2 outputs"):
        split(double)


def test_a_model_that_takes_no_rgb_picture_is_refused() -> None:
    picture = keras.Input((None, None, 3))
    scores = keras.layers.Dense(2)(keras.layers.GlobalMaxPooling2D()(picture))
    with pytest.raises(UnsupportedModel, match="RGB images of a fixed size"):
        split(keras.Model(picture, scores))


def test_a_model_that_gives_no_row_of_scores_is_refused() -> None:
    picture = networks.picture_input()
    with pytest.raises(UnsupportedModel, match="only classifiers"):
        split(keras.Model(picture, keras.layers.Conv2D(2, 1)(picture)))
