"""Real weights on real photos: the classes, where the heat lies, and the maps to the digit.

`efficientnet_lite0_maps.npy` (3, 7, 7) holds the predicted class's map of each photo below, as
TensorFlow 2.21 computes it on a CPU.
"""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seewhy.catalog.catalog import Catalog
from seewhy.catalog.weights import obtain_weights
from seewhy.imaging.regions.agreement import measure_agreement
from seewhy.schemas.engines import EngineChoice
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.job import MethodOptions
from seewhy.schemas.result import Verdict
from seewhy.settings import load
from seewhy_worker.explain.keras_explainer import BATCH_TOLERANCE, KerasExplainer, load_explainer
from seewhy_worker.explain.types import ExplanationTask, ImageExplanation

HERE = Path(__file__).parent
PHOTOS = HERE.parents[1] / "examples" / "photos"
NAMES = ("cat", "coffee", "tripod")
# Where a person sees it, (left, top, right, bottom) in pixels of the photo: the cat's face from
# its eyes to its chin, the coffee in the cup's mouth, the tripod below the camera.
BOXES = {"cat": (120, 80, 355, 285), "coffee": (173, 18, 410, 210), "tripod": (230, 190, 405, 512)}
EXPECTED = {
    "cat": (282, "tiger cat", 0.39),
    "coffee": (967, "espresso", 0.945),
    "tripod": (872, "tripod", 0.976),
}


def photo(name: str) -> np.ndarray:
    with Image.open(PHOTOS / f"{name}.jpg") as opened:
        return np.asarray(opened.convert("RGB"))


def load_on(engine: EngineChoice) -> KerasExplainer:
    settings = load({})
    spec = Catalog.load(settings).get("efficientnet-lite0")
    weights_path = obtain_weights(spec, settings, progress=lambda done, total: None)
    return load_explainer(spec, weights_path=weights_path, max_batch=4, engine=engine)


@pytest.fixture(scope="module")
def explainer() -> KerasExplainer:
    return load_on("tensorflow")


@pytest.fixture(scope="module")
def explained(explainer: KerasExplainer) -> dict[str, ImageExplanation]:
    prepared = [explainer.prepare(photo(name)) for name in NAMES]
    results = explainer.explain([ExplanationTask.create(image, [-1]) for image in prepared])
    return dict(zip(NAMES, results, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_the_photo_is_classified(explained: dict[str, ImageExplanation], name: str) -> None:
    index, label, probability = EXPECTED[name]
    (target,) = explained[name].targets
    assert (target.score.index, target.score.label) == (index, label)
    assert target.score.probability == pytest.approx(probability, abs=0.01)
    assert target.score == explained[name].top[0]
    assert target.verdict == Verdict.OK


@pytest.mark.parametrize("name", NAMES)
def test_the_heat_peaks_on_the_object(explained: dict[str, ImageExplanation], name: str) -> None:
    x, y = peak(explained[name].maps[0], explained[name].covers)
    left, top, right, bottom = BOXES[name]
    assert left <= x <= right
    assert top <= y <= bottom


@pytest.mark.parametrize("name", NAMES)
def test_the_map_equals_the_recorded_one(explained: dict[str, ImageExplanation], name: str) -> None:
    recorded = np.load(HERE / "efficientnet_lite0_maps.npy")[NAMES.index(name)]
    np.testing.assert_allclose(
        explained[name].maps[0], recorded, rtol=0, atol=2e-3 * np.abs(recorded).max()
    )


def test_the_layer_is_the_last_with_a_spatial_output(explainer: KerasExplainer) -> None:
    assert (explainer.layer, explainer.map_shape) == ("top_relu", (7, 7))


def test_a_photo_has_the_same_map_alone_and_in_a_batch(
    explainer: KerasExplainer, explained: dict[str, ImageExplanation]
) -> None:
    for name, company in explained.items():
        (alone,) = explainer.explain([ExplanationTask.create(explainer.prepare(photo(name)), [-1])])
        limit = BATCH_TOLERANCE * np.abs(alone.maps).max()
        np.testing.assert_allclose(company.maps, alone.maps, rtol=0, atol=limit)


def peak(map_: np.ndarray, covers: Rectangle) -> tuple[float, float]:
    """Return the center of the hottest cell, (x, y) in pixels of the original photo."""
    row, column = np.unravel_index(map_.argmax(), map_.shape)
    height, width = map_.shape
    x = covers.x + covers.width * (column + 0.5) / width
    y = covers.y + covers.height * (row + 0.5) / height
    return float(x), float(y)


def planted_cases() -> dict[str, tuple[np.ndarray, int, tuple[int, int, int, int]]]:
    """Return image, class, and what a person marks: a box (left, top, right, bottom).

    In the planted cases the network predicts the class, too, but its evidence is a small image in
    the corner, or the border of an image whose middle is gray and marked.
    """
    cases = {name: (photo(name), EXPECTED[name][0], BOXES[name]) for name in NAMES}
    left, top, right, bottom = BOXES["coffee"]
    cup = Image.fromarray(photo("coffee")[top:bottom, left:right])
    for name in ("astronaut", "tripod"):
        image = photo(name).copy()
        height, width = image.shape[:2]
        side = min(height, width) // 2
        image[height - side :, width - side :] = np.asarray(cup.resize((side, side)))
        marked = (0, 0, width - side, height - side)
        cases[f"watermark on {name}"] = (image, EXPECTED["coffee"][0], marked)
    for name in ("cat", "tripod"):
        image = photo(name).copy()
        height, width = image.shape[:2]
        marked = (width // 4, height // 4, 3 * width // 4, 3 * height // 4)
        image[marked[1] : marked[3], marked[0] : marked[2]] = 127
        cases[f"border of {name}"] = (image, EXPECTED[name][0], marked)
    return cases


def test_the_right_class_for_the_wrong_reason_agrees_least_with_what_is_marked(
    explainer: KerasExplainer,
) -> None:
    cases = planted_cases()
    tasks = [
        ExplanationTask.create(explainer.prepare(image), [index])
        for image, index, _ in cases.values()
    ]
    energies = {}
    for (name, (image, index, box)), one in zip(
        cases.items(), explainer.explain(tasks), strict=True
    ):
        assert one.top[0].index == index, name
        mask = np.zeros(image.shape[:2], np.bool_)
        mask[box[1] : box[3], box[0] : box[2]] = True
        agreement = measure_agreement(one.maps[0], covers=one.covers, mask=mask, threshold=0.15)
        assert agreement.pointing_hit is (name in NAMES)
        energies[name] = agreement.energy_inside
    expected = {
        "watermark on astronaut": 0.03,
        "watermark on tripod": 0.04,
        "border of tripod": 0.38,
        "border of cat": 0.39,
        "tripod": 0.58,
        "coffee": 0.67,
        "cat": 0.74,
    }
    assert energies == pytest.approx(expected, abs=0.03)
    worst = sorted(energies, key=lambda name: energies[name] or 0)
    assert set(worst[:4]) == set(cases) - set(NAMES)


def test_rounding_does_not_change_which_channels_faster_scorecam_masks(
    explainer: KerasExplainer,
) -> None:
    """With channels ranked in bfloat16, the two maps of this photo correlate 0.80."""
    compiled_model = pytest.importorskip("seewhy_worker.openvino_backend.compiled_model")
    if not compiled_model.supports_bfloat16():
        pytest.skip("this processor does not compute in bfloat16")
    rocket = photo("rocket")
    middle = rocket[len(rocket) // 5 :, 128:-128]
    maps = []
    for each in (explainer, load_on("openvino-bfloat16")):
        options = MethodOptions(method="faster-scorecam")
        task = ExplanationTask.create(each.prepare(middle), [-1], options)
        maps.append(each.explain([task])[0].maps[0].ravel())
    assert np.corrcoef(maps)[0, 1] > 0.95
