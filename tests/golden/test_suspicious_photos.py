"""Planted faults among a hundred real explanations: the suspicion puts them first, and says why."""

from collections.abc import Mapping

import numpy as np
import pytest
from PIL import Image

from golden.suspicious_photos import (
    Case,
    example_faults,
    examples,
    held_out,
    held_out_faults,
    ordinary,
)
from seewhy.catalog.catalog import Catalog
from seewhy.catalog.weights import obtain_weights
from seewhy.imaging.structure import structure
from seewhy.imaging.suspicion import suspicion
from seewhy.schemas.result import ExplanationResult
from seewhy.schemas.suspicion import Suspicion
from seewhy.settings import load
from seewhy_worker.explain.concentration import with_concentration
from seewhy_worker.explain.keras_explainer import KerasExplainer, load_explainer
from seewhy_worker.explain.types import ExplanationTask, ImageExplanation

BATCH = 8


@pytest.fixture(scope="module")
def explainer() -> KerasExplainer:
    settings = load({})
    spec = Catalog.load(settings).get("efficientnet-lite0")
    weights_path = obtain_weights(spec, settings, progress=lambda done, total: None)
    return load_explainer(spec, weights_path=weights_path, max_batch=BATCH)


def judge(task: ExplanationTask, explained: ImageExplanation) -> Suspicion:
    """Return the suspicion of an explanation as the worker stores it and the service reads it."""
    (measured,) = with_concentration([explained])
    _, height, width = measured.maps.shape
    return suspicion(
        ExplanationResult(
            model_digest="", method=measured.method, layer=measured.layer, linear=measured.linear,
            targets=measured.targets, top=measured.top, map_height=height, map_width=width,
            covers=measured.covers, image_width_px=1, image_height_px=1, timings_ms={}, versions={},
            structure=structure(task.image.pixels),
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("photos", "planted"),
    [
        pytest.param(examples(), example_faults(), id="examples"),
        pytest.param(held_out(), held_out_faults(), id="held out"),
    ],
)
def test_six_faults_among_a_hundred_explanations_are_among_the_ten_most_suspicious(
    explainer: KerasExplainer, photos: Mapping[str, Image.Image], planted: Mapping[str, Case]
) -> None:
    plain = {f"ordinary {n}": case for n, case in enumerate(ordinary([*photos.values()]))}
    cases = plain | dict(planted)
    tasks = [
        ExplanationTask.create(explainer.prepare(np.asarray(case.image)), case.targets)
        for case in cases.values()
    ]
    explained = [
        each
        for first in range(0, len(tasks), BATCH)
        for each in explainer.explain(tasks[first : first + BATCH])
    ]
    found = dict(zip(cases, map(judge, tasks, explained), strict=True))
    ranked = sorted(found, key=lambda name: -found[name].score)
    assert set(planted) <= set(ranked[:10]), [(name, found[name]) for name in ranked[:16]]
    for name, case in planted.items():
        assert case.reason in {part.reason for part in found[name].parts}, (name, found[name])
        assert all(part.words for part in found[name].parts)
