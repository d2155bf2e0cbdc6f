"""Every class is explained by its logit, whatever output activation a classifier has."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import networks
from optionals import present
from seewhy.errors import UnsupportedModel
from seewhy_worker.models.splitting.split_model import split


def binary(ending: str | None) -> keras.Model:
    image = networks.image_input()
    hidden = networks.dense(8, "fc", 3, "relu")(layers.Flatten()(networks.backbone()(image)))
    return keras.Model(image, networks.dense(1, "scores", 4, ending)(hidden))


@pytest.mark.parametrize("ending", ["sigmoid", None])
def test_one_sigmoid_becomes_two_classes_with_logits_minus_z_and_z(
    ending: str | None, tmp_path: Path
) -> None:
    model = binary(ending)
    two = binary(None)
    kernel, bias = model.get_layer("scores").get_weights()
    wide = networks.dense(2, "wide", 0)
    both = keras.Model(two.input, wide(two.get_layer("fc").output))
    wide.set_weights([np.concatenate([-kernel, kernel], axis=1), np.concatenate([-bias, bias])])
    found = networks.explain_images(model, tmp_path, targets=(0, 1, -1))
    networks.assert_same_maps(found, networks.explain_images(both, tmp_path, targets=(0, 1, -1)))
    explainer = networks.make_explainer(binary("sigmoid"), tmp_path)
    for one, image in zip(found, networks.random_images(3, seed=4), strict=True):
        negative, positive, best = one.targets
        (expected,) = binary("sigmoid").predict(explainer.prepare(image).pixels[None], verbose=0)
        assert positive.score.probability == pytest.approx(expected[0], rel=1e-4)
        assert negative.score.probability == pytest.approx(1 - expected[0], rel=1e-4)
        assert positive.score.logit == -present(negative.score.logit)
        np.testing.assert_allclose(one.maps[0], -one.maps[1], rtol=1e-6)
        assert best.score == max(
            (negative.score, positive.score), key=lambda score: present(score.logit)
        )
        assert [score.index for score in one.top] == [best.score.index, 1 - best.score.index]


def test_a_softmax_over_one_class_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="always 1"):
        split(binary("softmax"))


def test_a_multi_label_classifier_has_the_maps_of_its_logits(tmp_path: Path) -> None:
    model = networks.two_layer_cnn("fused sigmoid")
    networks.assert_same_maps(
        networks.explain_images(model, tmp_path),
        networks.explain_images(networks.two_layer_cnn(), tmp_path),
    )


def two_outputs(names: tuple[str, str] | None) -> keras.Model:
    image = networks.image_input()
    hidden = networks.backbone()(image)
    box = networks.dense(4, "box", 8)(layers.GlobalAveragePooling2D()(hidden))
    scores = networks.add_classifier(hidden, "softmax")
    return keras.Model(image, [box, scores] if names is None else {names[0]: box, names[1]: scores})


@pytest.mark.parametrize(
    ("names", "output"), [(None, "scores"), (("where", "what"), "what"), (("b", "a"), "a")]
)
def test_one_of_several_outputs_is_explained_by_its_name(
    names: tuple[str, str] | None, output: str, tmp_path: Path
) -> None:
    found = networks.explain_images(two_outputs(names), tmp_path, output=output)
    networks.assert_same_maps(found, networks.explain_images(networks.two_layer_cnn(), tmp_path))


def test_several_outputs_without_a_choice_are_refused_with_their_names() -> None:
    with pytest.raises(UnsupportedModel, match=r"2 outputs, box, scores: choose one with `output`"):
        split(two_outputs(None))
    with pytest.raises(UnsupportedModel, match=r"no output 'class'; its outputs are: box, scores"):
        split(two_outputs(None), output="class")


def test_outputs_that_are_not_explained_do_not_affect_the_split() -> None:
    image = networks.image_input()
    hidden = networks.backbone()(image)
    mask = layers.Conv2D(1, 1, activation="sigmoid", name="mask")(hidden)
    model = keras.Model(image, [networks.add_classifier(hidden), mask])
    split_model = split(model, output="scores")
    assert split_model.layer == "backbone/conv2"
    with pytest.raises(UnsupportedModel, match=r"'mask' has the shape .* only classifiers"):
        split(model, output="mask")


def test_a_mean_of_probabilities_is_refused_but_a_mean_of_logits_is_explained() -> None:
    def ensemble(ending: str | None) -> keras.Model:
        image = networks.image_input()
        hidden = networks.backbone()(image)
        pooled = layers.GlobalAveragePooling2D()(hidden)
        members = [networks.dense(3, f"member{seed}", seed, ending)(pooled) for seed in (1, 2)]
        return keras.Model(image, layers.Average(name="mean")(members))

    assert split(ensemble(None)).layer == "backbone/conv2"
    with pytest.raises(UnsupportedModel, match=r"combines probabilities.*'mean' follows 'member1'"):
        split(ensemble("softmax"))
