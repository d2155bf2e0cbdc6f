"""Trust scores on real weights: the shipped photos, and random maps as a control."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from optionals import present
from seewhy.catalog.catalog import Catalog
from seewhy.catalog.weights import obtain_weights
from seewhy.schemas.job import MethodOptions
from seewhy.settings import load
from seewhy_worker.explain.faithfulness import blur, faithfulness
from seewhy_worker.explain.keras_explainer import KerasExplainer, load_explainer
from seewhy_worker.explain.types import ExplanationTask, PreparedImage

NAMES = ("astronaut", "cat", "coffee", "rocket", "tripod")


@pytest.fixture(scope="module")
def explainer() -> KerasExplainer:
    settings = load({})
    spec = Catalog.load(settings).get("efficientnet-lite0")
    weights_path = obtain_weights(spec, settings, progress=lambda done, total: None)
    return load_explainer(spec, weights_path=weights_path, max_batch=16)


@pytest.fixture(scope="module")
def images(explainer: KerasExplainer, photos: Path) -> list[PreparedImage]:
    images = []
    for name in NAMES:
        with Image.open(photos / f"{name}.jpg") as opened:
            images.append(explainer.prepare(np.asarray(opened.convert("RGB"))))
    return images


def test_grad_cam_of_the_predicted_class_is_better_than_chance_on_every_photo(
    explainer: KerasExplainer, images: list[PreparedImage]
) -> None:
    options = MethodOptions(trust=True)
    explained = explainer.explain(
        [ExplanationTask.create(image, [-1], options) for image in images]
    )
    scores = [present(one.targets[0].trust) for one in explained]
    found = dict(zip(NAMES, (one.times_better_than_chance for one in scores), strict=True))
    expected = {"astronaut": 2.19, "cat": 1.07, "coffee": 2.62, "rocket": 1.55, "tripod": 2.72}
    assert found == pytest.approx(expected, rel=0.05)
    assert all(present(one.insertion) > present(one.deletion) for one in scores)
    assert [one.increase for one in scores] == [False, True, False, True, False]


def test_blurring_removes_the_class_from_every_photo(
    explainer: KerasExplainer, images: list[PreparedImage]
) -> None:
    explained = explainer.explain([ExplanationTask.create(image, [-1]) for image in images])
    classes = [explanation.targets[0].score.index for explanation in explained]
    found = explainer.probabilities(np.stack([blur(image.pixels) for image in images]))
    assert max(found[range(5), classes]) < 0.005


def test_random_maps_average_one_times_chance(
    explainer: KerasExplainer, images: list[PreparedImage]
) -> None:
    noise = np.random.default_rng(0).standard_normal((4, 7, 7)).astype(np.float32)
    coffee = images[NAMES.index("coffee")]
    probabilities = explainer.probabilities(coffee.pixels[np.newaxis])[0]
    class_ = int(probabilities.argmax())
    found = faithfulness(
        coffee.pixels,
        np.concatenate([noise, -noise]),
        [class_] * 8,
        baseline=[probabilities[class_]] * 8,
        probabilities=explainer.probabilities,
    )
    ratios = [present(one.times_better_than_chance) for one in found]
    assert math.exp(np.mean(np.log(ratios))) == pytest.approx(1, abs=0.01)
    assert max(ratios) < 2
