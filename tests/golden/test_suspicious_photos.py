"""Planted faults among a hundred real explanations: the suspicion puts them first, and says why."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from seewhy.catalog.catalog import Catalog
from seewhy.catalog.weights import obtain_weights
from seewhy.imaging.suspicion import suspicion
from seewhy.schemas.result import ExplanationResult
from seewhy.schemas.suspicion import Suspicion
from seewhy.schemas.suspicion import SuspicionReason as Reason
from seewhy.settings import load
from seewhy_worker.explain.concentration import with_concentration
from seewhy_worker.explain.keras_explainer import KerasExplainer, load_explainer
from seewhy_worker.explain.types import ExplanationTask, ImageExplanation

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"
NAMES = ("cat", "coffee", "rocket", "tripod", "astronaut")
GRAY = (127, 127, 127)
ORDINARY = 94
BATCH = 8
Case = tuple[Image.Image, list[int]]


def photo(name: str) -> Image.Image:
    return Image.open(PHOTOS / f"{name}.jpg").convert("RGB")


def ordinary_photos() -> Iterator[tuple[str, Case]]:
    """Yield the photos cropped, mirrored and brightened at random, with their two best classes."""
    rng = np.random.default_rng(20261129)
    for number in range(ORDINARY):
        image = photo(NAMES[number % len(NAMES)])
        left, top, right, bottom = rng.uniform(0, 0.08, 4)
        width, height = image.size
        box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
        image = image.crop(tuple(map(round, box)))
        image = ImageOps.mirror(image) if rng.random() < 0.5 else image
        brightness = ImageEnhance.Brightness(image).enhance(rng.uniform(0.8, 1.2))
        yield f"ordinary {number}", (brightness, [-1, -2])


def faults() -> Mapping[str, tuple[Case, Reason]]:
    """Return the planted faults, and the reason by which each should be found."""
    cup = photo("coffee").crop((173, 18, 410, 210))
    watermarked = photo("tripod")
    side = min(watermarked.size) // 3
    watermarked.paste(cup.resize((side, side)), (watermarked.width - side, 0))
    framed = Image.new("RGB", (480, 480), GRAY)
    for place in range(0, 480, 80):
        for corner in ((place, 0), (place, 400), (0, place), (400, place)):
            framed.paste(cup.resize((80, 80)), corner)
    return {
        "blank": ((Image.new("RGB", (400, 300), GRAY), [-1, -2]), Reason.VERDICT),
        "black": ((Image.new("RGB", (400, 300)), [-1, -2]), Reason.MARGIN),
        "watermark in the corner": ((watermarked, [967]), Reason.CLASS),
        "objects at the border": ((framed, [-1, -2]), Reason.BORDER),
        "a cat as an airliner": ((photo("cat"), [404]), Reason.CLASS),
        "a coffee as a goldfish": ((photo("coffee"), [1, 2]), Reason.CLASS),
    }


@pytest.fixture(scope="module")
def explainer() -> KerasExplainer:
    settings = load({})
    spec = Catalog.load(settings).get("efficientnet-lite0")
    weights_path = obtain_weights(spec, settings, progress=lambda done, total: None)
    return load_explainer(spec, weights_path=weights_path, max_batch=BATCH)


def judge(explained: ImageExplanation) -> Suspicion:
    """Return the suspicion of an explanation as the worker stores it and the service reads it."""
    (measured,) = with_concentration([explained])
    _, height, width = measured.maps.shape
    return suspicion(
        ExplanationResult(
            model_digest="", method=measured.method, layer=measured.layer, linear=measured.linear,
            targets=measured.targets, top=measured.top, map_height=height, map_width=width,
            covers=measured.covers, image_width_px=1, image_height_px=1, timings_ms={}, versions={},
        )
    )  # fmt: skip


def test_six_faults_among_a_hundred_explanations_are_among_the_ten_most_suspicious(
    explainer: KerasExplainer,
) -> None:
    planted = faults()
    cases = dict(ordinary_photos()) | {name: case for name, (case, _) in planted.items()}
    tasks = [
        ExplanationTask.create(explainer.prepare(np.asarray(image)), targets)
        for image, targets in cases.values()
    ]
    explained = [
        each
        for first in range(0, len(tasks), BATCH)
        for each in explainer.explain(tasks[first : first + BATCH])
    ]
    found = {name: judge(each) for name, each in zip(cases, explained, strict=True)}
    ranked = sorted(found, key=lambda name: -found[name].score)
    assert set(planted) <= set(ranked[:10]), [(name, found[name]) for name in ranked[:16]]
    for name, (_, reason) in planted.items():
        assert reason in {part.reason for part in found[name].parts}, (name, found[name])
        assert all(part.words for part in found[name].parts)
