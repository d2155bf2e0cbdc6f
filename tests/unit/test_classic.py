"""The preset `classic` beside the original recipe, run by hand."""

from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

import networks
from original_recipe import CLASSIC, draws_as_the_recipe, recipe_picture
from seewhy.catalog.catalog import Catalog, RandomWeights
from seewhy.imaging.rendering.classic import classic_overlay
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.job import MethodOptions
from seewhy.settings import load
from seewhy_worker.explain.keras_explainer import KerasExplainer
from seewhy_worker.models.loading import load_model
from seewhy_worker.models.splitting import split

PHOTO = np.random.default_rng(4).integers(0, 256, (90, 120, 3), np.uint8)


def test_a_small_network_is_drawn_as_by_the_original_recipe(tmp_path: Path) -> None:
    model = networks.two_layer_cnn("fused softmax")
    draws_as_the_recipe(networks.explainer_of(model, tmp_path), model, PHOTO)


def test_vgg16_is_drawn_as_by_the_original_recipe() -> None:
    shipped = Catalog.load(load({})).get("vgg16")
    spec = shipped.model_copy(update={"weights": RandomWeights(random_seed=16)})
    model = load_model(spec, weights_path=None)
    whole = keras.Model(model.input, keras.layers.Softmax()(model.output))
    explainer = KerasExplainer(spec=spec, parts=split(model, spec.layer), max_batch=1)
    draws_as_the_recipe(explainer, whole, PHOTO)


def test_negative_evidence_is_not_cut_off(tmp_path: Path) -> None:
    explainer = networks.explainer_of(networks.two_layer_cnn(), tmp_path)
    prepared = explainer.prepare(PHOTO)
    plain, classic = explainer.explain(
        [prepared] * 2, [(0, 1, 2, 3, 4)] * 2, [MethodOptions(score="probability"), CLASSIC]
    )
    np.testing.assert_allclose(4 * classic.maps, plain.maps, rtol=1e-4, atol=1e-7)
    assert classic.maps.min() < 0


@pytest.mark.parametrize("value", [0.25, np.nan])
def test_a_map_without_a_range_is_drawn_as_no_evidence(value: float) -> None:
    here = Rectangle(x=0, y=0, width=120, height=90)
    drawn = classic_overlay(PHOTO, np.full((3, 4), value, np.float32), rectangle=here)
    blue = np.array([0, 0, 128])  # the first step of JET
    np.testing.assert_array_equal(
        drawn, cv2.addWeighted(PHOTO, 0.5, PHOTO * 0 + blue, 0.25, 0, dtype=0)
    )


def test_what_the_map_does_not_cover_is_drawn_as_no_evidence() -> None:
    part = Rectangle(x=30, y=0, width=60, height=90)
    heat = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    drawn = classic_overlay(PHOTO, heat, rectangle=part)
    none = classic_overlay(PHOTO, heat * 0, rectangle=part)
    np.testing.assert_array_equal(drawn[:, :30], none[:, :30])
    expected = recipe_picture(PHOTO[:, 30:90], heat)
    np.testing.assert_array_equal(drawn[:, 30:90], expected)
